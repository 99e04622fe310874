//! Networks of sandboxes: a namespace each, and with an address an interface on this
//! instance's bridge.

mod sandbox_network;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use haar_substrate::{Bridged, Network, NetworkStatus};
use parking_lot::{Condvar, Mutex};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::dns::{Names, Seat};
use super::filters::Filters;
use super::homes::Home;
use super::log;
use super::net::{self, Doors};
use super::netlink::Netlink;
use super::nft::Firewall;
use super::patience::Patience;
use crate::proto::{Carriage, Doing, Failure, Scarce};
use crate::steer::Steering;
use crate::sys;
pub(super) use sandbox_network::{SandboxNetwork, Used};

/// All networks of one instance.
pub(super) struct Networks {
    /// Digits that the names of its interfaces have in common.
    tag: String,
    state: Mutex<State>,
    /// An address is free again.
    freed: Condvar,
    /// Who may reach the addresses.
    pub(super) filters: Filters,
    /// Who answers what names stand for.
    pub(super) names: Names,
}

#[derive(Default)]
struct State {
    /// The bridge, once there.
    bridge: Option<u32>,
    /// Its own addresses.
    gateways: BTreeMap<Ipv4Addr, u8>,
    /// Where names are asked for.
    seats: Vec<Seat>,
    /// Addresses of sandboxes; true of those that are about to be free.
    taken: BTreeMap<Ipv4Addr, bool>,
    ready: Vec<Ready>,
    /// With those that could not be prepared.
    patience: Patience,
    last: u64,
}

/// Prepared ones, once there is a bridge.
const READY_MAX: usize = 4;

/// An address whose sandbox has ended is waited for so long, each time that another is free.
const LEAVING_MAX: Duration = Duration::from_secs(5);

/// Names of interfaces that may be taken, one after another.
const NAMES_MAX: usize = 10_000;

/// A namespace whose interface has no address yet.
struct Ready {
    namespace: OwnedFd,
    interface: String,
    /// What has gone over it already.
    before: Carriage,
    /// What led to the sockets inside of the sandbox before.
    steering: Option<Steering>,
}

impl Networks {
    pub(super) fn new(instance: &str) -> io::Result<Self> {
        let tag = tag(instance);
        let filters = Filters::new(&tag, named_after(&tag));
        let (state, freed) = (Mutex::default(), Condvar::new());
        Ok(Self { tag, state, freed, filters, names: Names::new()? })
    }

    fn bridge_name(&self) -> String {
        named_after(&self.tag)
    }

    /// Makes a network, with sockets inside.
    pub(super) fn make(
        &self,
        home: impl AsFd,
        network: &Network,
        listen: &[SocketAddrV4],
    ) -> Result<SandboxNetwork, Failure> {
        if *network == Network::Host {
            let open = |at: &SocketAddrV4| Ok((*at, net::listen_plain(*at)?));
            let listeners: io::Result<Vec<_>> = listen.iter().map(open).collect();
            let listeners = listeners.doing("listen for the sandbox")?;
            let doors = Mutex::new(Doors::plain(listeners));
            return Ok(SandboxNetwork { doors, ..SandboxNetwork::default() });
        }
        if !crate::probe::has_net_admin() {
            return Err(Failure::Unsupported(crate::probe::NO_NETWORK.to_owned()));
        }
        let open =
            |before| net::doors(listen, &self.names, before).doing("listen inside the sandbox");
        let Network::Bridged(bridged) = network else {
            let (namespace, doors) = in_new_namespace(&home, || {
                net::begin()?;
                open(None)
            })?;
            let (namespace, doors) = (Some(namespace), Mutex::new(doors));
            return Ok(SandboxNetwork { namespace, doors, ..SandboxNetwork::default() });
        };
        check(bridged)?;
        let (bridge, number) = self.take(bridged)?;
        let made = self.attach(&home, bridged, (bridge, number), open);
        made.inspect_err(|_| self.release(bridged.address))
    }

    /// Gives a namespace, a prepared one where there is, the sandbox's address.
    fn attach(
        &self,
        home: impl AsFd,
        bridged: &Bridged,
        (bridge, number): (u32, u64),
        open: impl FnOnce(Option<Steering>) -> Result<Doors, Failure>,
    ) -> Result<SandboxNetwork, Failure> {
        let ready = self.state.lock().ready.pop();
        let Ready { namespace, interface, before, steering } = match ready {
            Some(ready) => ready,
            None => self.make_ready(&home, bridge, number)?,
        };
        let [a, b, c, d] = bridged.address.octets();
        let mac = bridged.mac.unwrap_or([0x02, 0x42, a, b, c, d]);
        let doors = in_namespace(home, &namespace, || {
            let netlink = Netlink::open().doing("open a netlink socket")?;
            configure(&netlink, bridged, mac).doing("give the interface its address")?;
            open(steering)
        });
        let begun = doors.and_then(|doors| {
            let home = Home { interface: interface.clone(), mac, realm: bridged.realm.clone() };
            self.filters.begin(bridged.address, home, bridged.filter.as_ref())?;
            Ok(doors)
        });
        let doors = begun.inspect_err(|_| silence(&interface))?;
        let ports = bridged.ports.clone();
        let status = NetworkStatus { address: bridged.address, mac, ports };
        Ok(SandboxNetwork {
            namespace: Some(namespace),
            status: Some(status),
            bridged: Some(bridged.clone()),
            interface: Some((interface, before)),
            doors: Mutex::new(doors),
            is_changed: AtomicBool::new(false),
        })
    }

    fn make_ready(&self, home: impl AsFd, bridge: u32, number: u64) -> Result<Ready, Failure> {
        let (namespace, ()) = in_new_namespace(home, || {
            net::begin()?;
            net::remember_nobody().doing("keep a network's connections to itself")?;
            // of all interfaces that are made inside from now on
            disable_ipv6("default").doing("keep IPv6 off the interface")
        })?;
        let netlink = Netlink::open().doing("open a netlink socket")?;
        let mut number = number;
        for _ in 0..NAMES_MAX {
            let interface = format!("h{}{number:x}", self.tag);
            match netlink.add_pair(&interface, bridge, &namespace) {
                // of a former helper whose sandbox is not quite gone
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let mut state = self.state.lock();
                    state.last += 1;
                    number = state.last;
                }
                made => {
                    made.doing("make an interface")?;
                    let before = Carriage::default();
                    return Ok(Ready { namespace, interface, before, steering: None });
                }
            }
        }
        Err(Failure::Exhausted(Scarce::Ports))
    }

    /// There are fewer prepared ones than there could be.
    pub(super) fn lack(&self) -> bool {
        let mut state = self.state.lock();
        let lacks = state.bridge.is_some() && state.ready.len() < READY_MAX;
        state.patience.tries(lacks)
    }

    /// Prepares one.
    pub(super) fn prepare(&self, home: impl AsFd) {
        let (bridge, number) = {
            let mut state = self.state.lock();
            state.last += 1;
            (state.bridge, state.last)
        };
        let Some(bridge) = bridge else { return };
        let made = self.make_ready(home, bridge, number);
        let mut state = self.state.lock();
        match made {
            Ok(ready) => {
                state.patience.succeeded();
                state.ready.push(ready);
            }
            Err(failure) => {
                log(&format!("could not prepare a network: {failure:?}"));
                state.patience.failed();
            }
        }
    }

    /// Takes the address; answers the bridge's index and a number for the interface.
    fn take(&self, bridged: &Bridged) -> Result<(u32, u64), Failure> {
        let mut state = self.state.lock();
        while state.taken.get(&bridged.address) == Some(&true) {
            if self.freed.wait_for(&mut state, LEAVING_MAX).timed_out() {
                return Err(Failure::Exhausted(Scarce::Ports));
            }
        }
        if state.taken.contains_key(&bridged.address)
            || state.gateways.contains_key(&bridged.address)
        {
            let reason = "the address is in use".to_owned();
            return Err(Failure::Refused { program: bridged.address.to_string(), reason });
        }
        if state.taken.len() >= 60_000 {
            return Err(Failure::Exhausted(Scarce::Ports));
        }
        let bridge = match state.bridge {
            Some(bridge) => bridge,
            None => {
                let name = self.bridge_name();
                let netlink = Netlink::open().doing("open a netlink socket")?;
                netlink.add_bridge(&name).doing("make the bridge")?;
                disable_ipv6(&name).doing("keep IPv6 off the bridge")?;
                let bridge = index(&name).doing("find the bridge")?;
                state.bridge = Some(bridge);
                bridge
            }
        };
        let known = state.gateways.contains_key(&bridged.gateway);
        if !known {
            self.add_subnet(&mut state, bridge, bridged)?;
        }
        state.last += 1;
        let number = state.last;
        state.taken.insert(bridged.address, false);
        Ok((bridge, number))
    }

    /// Gives the bridge its address in another subnet, with what it serves there.
    fn add_subnet(&self, state: &mut State, bridge: u32, bridged: &Bridged) -> Result<(), Failure> {
        self.refuse_overlap(bridged)?;
        let netlink = Netlink::open().doing("open a netlink socket")?;
        netlink
            .add_address(bridge, bridged.gateway, bridged.prefix)
            .doing("give the bridge its address")?;
        match self.serve_names(bridged.gateway) {
            Ok(seat) => state.seats.push(seat),
            Err(error) => log(&format!("could not serve names on {}: {error}", bridged.gateway)),
        }
        state.gateways.insert(bridged.gateway, bridged.prefix);
        self.filters.firewall.set_up(&state.gateways);
        Ok(())
    }

    fn serve_names(&self, gateway: Ipv4Addr) -> io::Result<Seat> {
        // for sandboxes: the host's neighbours may have a route to the address
        let bridge = self.bridge_name();
        let socket = UdpSocket::bind((gateway, 53))?;
        sys::bind_to_device(&socket, &bridge)?;
        let seat = self.names.serve(socket)?;
        let listen = || {
            let listener = TcpListener::bind((gateway, 53))?;
            sys::bind_to_device(&listener, &bridge)?;
            self.names.listen(&seat, listener)
        };
        if let Err(error) = listen() {
            log(&format!("names that take long answers are not served on {gateway}: {error}"));
        }
        Ok(seat)
    }

    /// Another interface of the host must not have the same subnet: its traffic would go astray.
    fn refuse_overlap(&self, bridged: &Bridged) -> Result<(), Failure> {
        let own = self.bridge_name();
        let addresses = host_addresses().doing("read the host's addresses")?;
        for (name, address, prefix) in addresses {
            let shorter = prefix.min(bridged.prefix);
            if name != own && network_of(address, shorter) == network_of(bridged.gateway, shorter) {
                let reason = format!(
                    "the subnet is in use on this host: interface {name} has {address}/{prefix}"
                );
                let program = format!("{}/{}", bridged.gateway, bridged.prefix);
                return Err(Failure::Refused { program, reason });
            }
        }
        Ok(())
    }

    /// The address will be free in a moment: whoever wants it waits for that.
    pub(super) fn leaves(&self, address: Ipv4Addr) {
        if let Some(is_leaving) = self.state.lock().taken.get_mut(&address) {
            *is_leaving = true;
        }
    }

    /// The address is free again: no interface has it.
    fn release(&self, address: Ipv4Addr) {
        self.filters.end(address); // before the next may have it
        self.state.lock().taken.remove(&address);
        self.freed.notify_all();
    }

    /// Takes the bridge down, with what a former helper may have left.
    pub(super) fn tear_down(&self) {
        let mut state = self.state.lock();
        state.gateways.clear();
        state.seats.clear();
        state.ready.clear();
        state.bridge = None;
        remove_bridge(&self.tag);
    }
}

/// Removes an instance's bridge with its packet filter; one that is gone is fine.
pub(super) fn remove_bridge(tag: &str) {
    if let (Ok(index), Ok(netlink)) = (index(&named_after(tag)), Netlink::open()) {
        Firewall::new(tag, named_after(tag)).tear_down();
        let _ = netlink.remove(index);
    }
}

fn check(bridged: &Bridged) -> Result<(), Failure> {
    let refused = |reason: &str| {
        let program = format!("{}/{}", bridged.address, bridged.prefix);
        Err(Failure::Refused { program, reason: reason.to_owned() })
    };
    if !(8..=30).contains(&bridged.prefix) {
        return refused("a subnet's prefix is from 8 to 30");
    }
    let subnet = network_of(bridged.gateway, bridged.prefix);
    if network_of(bridged.address, bridged.prefix) != subnet {
        return refused("the address is not in its gateway's subnet");
    }
    if bridged.address.is_loopback() || bridged.address.is_multicast() {
        return refused("not an address for an interface");
    }
    Ok(())
}

fn configure(netlink: &Netlink, bridged: &Bridged, mac: [u8; 6]) -> io::Result<()> {
    let index = index("eth0")?;
    netlink.set_mac(index, mac)?;
    netlink.add_address(index, bridged.address, bridged.prefix)?;
    netlink.up(index)?;
    netlink.add_default_route(index, bridged.gateway)
}

/// Lets nothing more through the host's side of a sandbox's interface, which may be anything by
/// now on the other side; one that is gone is fine.
fn silence(interface: &str) {
    if let (Ok(index), Ok(netlink)) = (index(interface), Netlink::open()) {
        let _ = netlink.down(index);
    }
}

/// Filters know IPv4 only: an interface must not have link-local addresses of its own.
fn disable_ipv6(interface: &str) -> io::Result<()> {
    match std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "1") {
        // a kernel without IPv6
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(super) fn network_of(address: Ipv4Addr, prefix: u8) -> u32 {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    u32::from(address) & mask
}

fn index(name: &str) -> io::Result<u32> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    Ok(name_to_index(&socket, name)?)
}

/// Names, addresses and prefixes of the host's interfaces.
fn host_addresses() -> io::Result<Vec<(String, Ipv4Addr, u8)>> {
    let mut found = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the list is only read, and freed once.
    unsafe {
        sys::check(libc::getifaddrs(&mut list).into())?;
        let mut at = list;
        while let Some(entry) = at.as_ref() {
            at = entry.ifa_next;
            let (Some(address), Some(mask)) = (ipv4(entry.ifa_addr), ipv4(entry.ifa_netmask))
            else {
                continue;
            };
            let name = std::ffi::CStr::from_ptr(entry.ifa_name).to_string_lossy().into_owned();
            found.push((name, address, u32::from(mask).count_ones() as u8));
        }
        libc::freeifaddrs(list);
    }
    Ok(found)
}

/// # Safety
/// The pointer is null or points to a whole socket address.
unsafe fn ipv4(address: *const libc::sockaddr) -> Option<Ipv4Addr> {
    // SAFETY: as promised; the family says what it is.
    unsafe {
        let family = address.as_ref()?.sa_family;
        if i32::from(family) != libc::AF_INET {
            return None;
        }
        let address = address.cast::<libc::sockaddr_in>().read_unaligned();
        Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
    }
}

/// Runs `work` with the calling thread in a new network namespace.
fn in_new_namespace<T>(
    home: impl AsFd,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<(OwnedFd, T), Failure> {
    sys::unshare(libc::CLONE_NEWNET).doing("make a network")?;
    let namespace = File::open("/proc/thread-self/ns/net").doing("hold the network");
    let result = namespace.and_then(|namespace| Ok((namespace.into(), work()?)));
    come_home(home);
    result
}

fn in_namespace<T>(
    home: impl AsFd,
    namespace: &OwnedFd,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    sys::setns(namespace.as_fd(), libc::CLONE_NEWNET).doing("enter the network")?;
    let result = work();
    come_home(home);
    result
}

fn come_home(home: impl AsFd) {
    if sys::setns(home.as_fd(), libc::CLONE_NEWNET).is_err() {
        // this thread is no use any more, and must do nothing in the sandbox's name
        std::process::abort();
    }
}

/// The name of an instance's bridge.
pub(crate) fn bridge_name(instance: &str) -> String {
    named_after(&tag(instance))
}

fn named_after(tag: &str) -> String {
    format!("hb{tag}")
}

/// What the names of an instance's interfaces have in common.
pub(crate) fn tag(instance: &str) -> String {
    format!("{:08x}", fnv(instance.as_bytes()))
}

/// A short hash, the same in every process.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_what_their_prefix_leaves() {
        let address = Ipv4Addr::new(10, 1, 2, 3);
        assert_eq!(network_of(address, 24), u32::from(Ipv4Addr::new(10, 1, 2, 0)));
        assert_eq!(network_of(address, 8), u32::from(Ipv4Addr::new(10, 0, 0, 0)));
        assert_eq!((network_of(address, 0), network_of(address, 32)), (0, u32::from(address)));
    }
}
