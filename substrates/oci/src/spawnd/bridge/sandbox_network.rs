//! One sandbox's network, and what becomes of it when that has ended.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use haar_substrate::{Bridged, NetworkStatus};
use parking_lot::Mutex;

use super::{Networks, READY_MAX, Ready, in_namespace, index, silence};
use crate::proto::{Carriage, Carried, Doing, Failure};
use crate::spawnd::net::{self, Doors};
use crate::spawnd::netlink::Netlink;
use crate::steer::Steering;

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

    /// Closes the sockets inside, and hands over what has an address.
    pub(in crate::spawnd) fn used(&self) -> Option<Used> {
        let steering = std::mem::take(&mut *self.doors.lock()).close();
        let bridged = self.bridged.as_ref()?;
        let is_changed = self.is_changed.load(Ordering::SeqCst);
        let namespace = self.namespace.as_ref().filter(|_| !is_changed);
        Some(Used {
            namespace: namespace.and_then(|namespace| namespace.try_clone().ok()),
            interface: self.interface.as_ref()?.0.clone(),
            address: bridged.address,
            prefix: bridged.prefix,
            steering: Mutex::new(steering),
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
    /// Where it may be used again.
    namespace: Option<OwnedFd>,
    interface: String,
    address: Ipv4Addr,
    prefix: u8,
    steering: Mutex<Option<Steering>>,
}

impl Networks {
    /// Frees a used network's address, and makes the network one for the next where that can be;
    /// false while it is still in use. To make one costs the kernel much, and to take one down as
    /// much again.
    pub(in crate::spawnd) fn take_back(&self, home: impl AsFd, used: &Used) -> bool {
        let is_wanted = {
            let state = self.state.lock();
            state.bridge.is_some() && state.ready.len() < READY_MAX + AGAIN_MAX
        };
        let Some(namespace) = used.namespace.as_ref().filter(|_| is_wanted) else {
            self.let_go(used);
            return true;
        };
        let cleaned = in_namespace(home, namespace, || {
            if !net::is_quiet().doing("look for sockets")? {
                return Ok(false);
            }
            let netlink = Netlink::open().doing("open a netlink socket")?;
            let index = index("eth0").doing("find the interface")?;
            // its routes go with it; its neighbours, when the next changes the hardware address
            let removed = netlink.remove_address(index, used.address, used.prefix);
            removed.doing("take the interface's address").map(|()| true)
        });
        match (cleaned, namespace.try_clone()) {
            (Ok(false), _) => return false,
            (Ok(true), Ok(namespace)) => {
                let interface = used.interface.clone();
                let told = Netlink::open().and_then(|netlink| netlink.carriage(&interface));
                let before = told.unwrap_or_else(|_| Carriage::of(&interface));
                let mut state = self.state.lock();
                if state.bridge.is_some() {
                    let steering = used.steering.lock().take();
                    state.ready.push(Ready { namespace, interface, before, steering });
                }
            }
            (Ok(true), Err(_)) | (Err(_), _) => silence(&used.interface),
        }
        self.release(used.address);
        true
    }

    /// Frees the address of a network that nobody gets again.
    pub(in crate::spawnd) fn let_go(&self, used: &Used) {
        silence(&used.interface);
        self.release(used.address);
    }

    /// Whoever wants its address waits from now on.
    pub(in crate::spawnd) fn expect(&self, used: &Used) {
        self.leaves(used.address);
    }
}
