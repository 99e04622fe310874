//! One sandbox's network, and what becomes of it when that has ended.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use haar_substrate::{Bridged, NetworkStatus};
use parking_lot::Mutex;

use super::{Networks, READY_MAX, Ready, in_namespace, index};
use crate::proto::{Carriage, Carried, Doing, Failure};
use crate::spawnd::net::{self, Doors};
use crate::spawnd::netlink::Netlink;

/// Those that were used and wait to be used again, beside those that were made ahead: as many as a
/// busy host has in use at once.
const AGAIN_MAX: usize = 40;

/// A sandbox's network.
#[derive(Default)]
pub(in crate::spawnd) struct SandboxNetwork {
    /// None is the host's own.
    pub(in crate::spawnd) namespace: Option<OwnedFd>,
    pub(in crate::spawnd) status: Option<NetworkStatus>,
    pub(in crate::spawnd) bridged: Option<Bridged>,
    /// The host's side of its interface, and what went over that for others.
    pub(in crate::spawnd) interface: Option<(String, Carriage)>,
    /// Sockets inside: the next server wants them too.
    pub(super) doors: Mutex<Doors>,
    /// Somebody has changed more of it than its sockets, or could have: nobody else gets it.
    pub(in crate::spawnd) is_changed: AtomicBool,
}

impl SandboxNetwork {
    /// Copies of its sockets inside, for a server.
    pub(in crate::spawnd) fn carried(&self) -> Result<Vec<(Carried, OwnedFd)>, Failure> {
        let copy = |(address, listener): &(SocketAddrV4, TcpListener)| {
            Ok((Carried::Listener(*address), listener.try_clone()?.into()))
        };
        let copies: io::Result<Vec<_>> = self.doors.lock().listeners.iter().map(copy).collect();
        copies.doing("copy a descriptor")
    }

    /// Closes the sockets inside, and hands the network over to be used again, where it can be.
    pub(in crate::spawnd) fn used(&self) -> Option<Used> {
        drop(std::mem::take(&mut *self.doors.lock()));
        if self.is_changed.load(Ordering::SeqCst) {
            return None;
        }
        let bridged = self.bridged.as_ref()?;
        Some(Used {
            namespace: self.namespace.as_ref()?.try_clone().ok()?,
            interface: self.interface.as_ref()?.0.clone(),
            address: bridged.address,
            prefix: bridged.prefix,
        })
    }

    /// A TCP socket of this network, for the server to connect.
    pub(in crate::spawnd) fn socket(&self, home: impl AsFd) -> Result<OwnedFd, Failure> {
        let make = || net::socket().doing("make a socket inside the sandbox");
        match &self.namespace {
            Some(namespace) => in_namespace(home, namespace, make),
            None => make(),
        }
    }
}

/// A network that its sandbox needs no more.
pub(in crate::spawnd) struct Used {
    namespace: OwnedFd,
    interface: String,
    address: Ipv4Addr,
    prefix: u8,
}

impl Networks {
    /// Makes a used network one for the next; false while it is still in use. To make one costs the
    /// kernel much, and to take one down as much again.
    pub(in crate::spawnd) fn take_back(&self, home: impl AsFd, used: &Used) -> bool {
        let is_wanted = {
            let state = self.state.lock();
            state.bridge.is_some() && state.ready.len() < READY_MAX + AGAIN_MAX
        };
        if !is_wanted {
            return true;
        }
        let cleaned = in_namespace(home, &used.namespace, || {
            if !net::is_quiet().doing("look for sockets")? {
                return Ok(false);
            }
            let netlink = Netlink::open().doing("open a netlink socket")?;
            let index = index("eth0").doing("find the interface")?;
            netlink
                .remove_address(index, used.address, used.prefix)
                .and_then(|()| netlink.down(index))
                .doing("take the interface's address")?;
            Ok(true)
        });
        match cleaned {
            Ok(false) => return false,
            Ok(true) => {}
            Err(_) => return true, // it is let go of
        }
        let Ok(namespace) = used.namespace.try_clone() else { return true };
        let (interface, before) = (used.interface.clone(), Carriage::of(&used.interface));
        let mut state = self.state.lock();
        if state.bridge.is_some() {
            state.ready.push(Ready { namespace, interface, before });
        }
        true
    }
}
