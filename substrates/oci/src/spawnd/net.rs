//! Loopback inside a sandbox: brings it up, gives it addresses, opens sockets there.
//!
//! The calling thread is in the sandbox's network namespace.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use haar_substrate::OUTSIDE;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::dns::{Names, Seat};
use super::netlink::Netlink;
use crate::probe;
use crate::proto::{Doing, Failure};
use crate::steer::{self, LOOPBACK, Steering};
use crate::sys;

/// Brings the loopback interface up.
pub(super) fn loopback_up() -> io::Result<()> {
    let socket = control()?;
    let mut request = request(c"lo");
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_LOOPBACK | libc::IFF_RUNNING) as i16;
    ioctl(&socket, libc::SIOCSIFFLAGS, &request)
}

/// The same for a new sandbox, in words for whoever asked for that.
pub(super) fn begin() -> Result<(), Failure> {
    match loopback_up() {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && !probe::has_net_admin() => {
            Err(Failure::Unsupported(probe::NO_NETWORK.to_owned()))
        }
        done => done.doing("bring up the loopback interface"),
    }
}

/// Keeps the kernel from remembering how connections went, and with whom: the next would hear of
/// it.
pub(super) fn remember_nobody() -> io::Result<()> {
    match std::fs::write("/proc/sys/net/ipv4/tcp_no_metrics_save", "1") {
        // a kernel that has it for the host alone
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Nobody has a socket of this network any more, and no connection lingers.
pub(super) fn is_quiet() -> io::Result<bool> {
    let text = std::fs::read_to_string("/proc/thread-self/net/sockstat")?;
    Ok(tells_of_none(&text))
}

fn tells_of_none(sockstat: &str) -> bool {
    let mut words = sockstat.split_whitespace();
    let mut after = |name: &str| {
        words.by_ref().find(|word| *word == name)?;
        words.next()?.parse::<u64>().ok()
    };
    // connections that go on ending without a program are in use, too
    (after("used"), after("inuse"), after("tw")) == (Some(0), Some(0), Some(0))
}

/// Opens a listener; adds its address to the loopback interface where that lacks it.
pub(super) fn listen(address: SocketAddrV4) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() && !address.ip().is_unspecified() {
        add_address(*address.ip())?;
    }
    listen_plain(address)
}

/// Sockets that the server answers on, inside a sandbox.
#[derive(Default)]
pub(super) struct Doors {
    /// By the address that each stands for.
    pub(super) listeners: Vec<(SocketAddrV4, TcpListener)>,
    /// What leads to them, where they listen elsewhere.
    steering: Option<Steering>,
    /// Answers who asks for names of what is outside.
    _names: Option<Seat>,
}

/// What keeps a way out of a sandbox open.
pub(super) struct WayOut {
    _steering: Steering,
    _names: Seat,
}

/// The loopback interface's own name server, which programs ask where nothing names another.
const NAMES: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53);

/// Opens the listener of [`OUTSIDE`], with the way to it where the kernel can.
pub(super) fn way_out(names: &Names) -> io::Result<(TcpListener, Option<WayOut>)> {
    let listener = listen_plain(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    let open = || {
        let names = take_all(names)?;
        let steering = steer::steer(&[(OUTSIDE, listener.try_clone()?)])?;
        Ok::<_, io::Error>(WayOut { _steering: steering, _names: names })
    };
    let way = open();
    if let Err(error) = &way {
        NO_WAY.call_once(|| super::log(&format!("sandboxes have no way out: {error}")));
    }
    Ok((listener, way.ok()))
}

/// Says once that there is none.
static NO_WAY: std::sync::Once = std::sync::Once::new();

/// Leads all addresses to the loopback interface, and serves names there.
fn take_all(names: &Names) -> io::Result<Seat> {
    Netlink::open()?.add_local_route(LOOPBACK as u32)?;
    names.serve(UdpSocket::bind(NAMES)?)
}

impl Doors {
    /// Sockets that listen where they are found.
    pub(super) fn plain(listeners: Vec<(SocketAddrV4, TcpListener)>) -> Self {
        Self { listeners, ..Self::default() }
    }
}

impl Doors {
    /// Closes the sockets; what led to them may lead to others of the same network.
    pub(super) fn close(self) -> Option<Steering> {
        self.steering
    }
}

/// Opens sockets that take no port from programs, where the kernel can; else plain ones. `before`
/// has led to sockets of this network that are closed by now.
pub(super) fn doors(
    addresses: &[SocketAddrV4],
    names: &Names,
    before: Option<Steering>,
) -> io::Result<Doors> {
    if addresses.is_empty() {
        return Ok(Doors::default());
    }
    match hidden(addresses, names, before) {
        Ok(doors) => Ok(doors),
        Err(error) => {
            HIDE.call_once(|| super::log(&format!("sockets inside take their ports: {error}")));
            let open = |at: &SocketAddrV4| match *at {
                OUTSIDE => Ok((*at, listen_plain(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?)),
                _ => Ok((*at, listen(*at)?)),
            };
            let listeners: io::Result<Vec<_>> = addresses.iter().map(open).collect();
            Ok(Doors::plain(listeners?))
        }
    }
}

/// Says once that they cannot be hidden.
static HIDE: std::sync::Once = std::sync::Once::new();

/// Where hidden sockets listen: the first of their ports.
const HIDDEN_PORT_FIRST: u16 = 51_679;

fn hidden(
    addresses: &[SocketAddrV4],
    names: &Names,
    before: Option<Steering>,
) -> io::Result<Doors> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for (address, port) in addresses.iter().zip(HIDDEN_PORT_FIRST..) {
        if !address.ip().is_loopback() && *address != OUTSIDE {
            add_address(*address.ip())?;
        }
        listeners.push((*address, listen_plain(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?));
    }
    let names = addresses.contains(&OUTSIDE).then(|| take_all(names)).transpose()?;
    let steering = match before {
        Some(before) if before.renew(&listeners)? => before,
        before => {
            drop(before); // a network has one at most
            steer::steer(&listeners)?
        }
    };
    Ok(Doors { listeners, steering: Some(steering), _names: names })
}

/// Opens a listener on an address that is there.
pub(super) fn listen_plain(address: SocketAddrV4) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A TCP socket of this network, wherever it is used. It does not block.
pub(super) fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?)
}

fn add_address(address: Ipv4Addr) -> io::Result<()> {
    let socket = control()?;
    // an alias per address: setting one twice is no error
    let name = format!("lo:{:x}\0", u32::from(address));
    let name = std::ffi::CStr::from_bytes_with_nul(name.as_bytes()).map_err(io::Error::other)?;
    let mut with_address = request(name);
    with_address.ifr_ifru.ifru_addr = socket_address(address);
    ioctl(&socket, libc::SIOCSIFADDR, &with_address)?;
    let mut with_mask = request(name);
    with_mask.ifr_ifru.ifru_netmask = socket_address(Ipv4Addr::BROADCAST);
    ioctl(&socket, libc::SIOCSIFNETMASK, &with_mask)
}

fn control() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

fn request(name: &std::ffi::CStr) -> libc::ifreq {
    // SAFETY: all-zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes()) {
        *to = *from as libc::c_char;
    }
    request
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data: [libc::c_char; 14] = [0; 14];
    for (to, from) in data[2..].iter_mut().zip(address.octets()) {
        *to = from as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as u16, sa_data: data }
}

fn ioctl(socket: impl AsFd, operation: libc::Ioctl, request: &libc::ifreq) -> io::Result<()> {
    // SAFETY: the request has the layout that these operations read.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), operation, request) };
    sys::check(result.into()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_quiet_without_sockets_and_without_what_they_leave() {
        let text = |used: u32, ending: u32, lingering: u32| {
            format!(
                "sockets: used {used}\nTCP: inuse {ending} orphan 3 tw {lingering} alloc 9 mem \
                 1\nUDP: inuse 0 mem 0\n"
            )
        };
        assert!(tells_of_none(&text(0, 0, 0)));
        assert!(!tells_of_none(&text(1, 0, 0)));
        assert!(!tells_of_none(&text(0, 1, 0)));
        assert!(!tells_of_none(&text(0, 0, 1)));
        assert!(!tells_of_none(""));
    }
}
