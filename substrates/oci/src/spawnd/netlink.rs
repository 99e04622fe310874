//! The few messages to the kernel's network configuration that sandboxes need.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use haar_substrate::Transfer;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use super::message::{Message, errno_of};
use crate::proto::Carriage;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_NET_NS_FD: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
/// Options of a bridge that are on or off: which, then which of these are meant.
const BRIDGE_OPTIONS: u16 = 46;
const NO_LINK_LOCAL_LEARN: u32 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RT_TABLE_LOCAL: u8 = 255;
const RT_SCOPE_HOST: u8 = 254;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;

/// A socket to the configuration of the network namespace that it was opened in.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let kind = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
        Ok(Self(socket_with(kind.0, kind.1, kind.2, None)?))
    }

    /// Makes a bridge, up; one that is there is fine. It takes nobody for the sender of what is
    /// meant for bridges alone, which no packet filter sees.
    pub(super) fn add_bridge(&self, name: &str) -> io::Result<()> {
        let mut message = asking(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
        link(&mut message, 0, true);
        message.text(IFLA_IFNAME, name);
        message.nest(IFLA_LINKINFO, |info| {
            info.text(INFO_KIND, "bridge");
            info.nest(INFO_DATA, |data| {
                let options = [NO_LINK_LOCAL_LEARN.to_ne_bytes(); 2].concat();
                data.bytes(BRIDGE_OPTIONS, &options);
            });
        });
        fine_if_there(self.ask(message))
    }

    /// Makes a pair of interfaces: one on a bridge, the other born in another namespace.
    pub(super) fn add_pair(&self, name: &str, bridge: u32, inside: impl AsFd) -> io::Result<()> {
        let namespace = inside.as_fd().as_raw_fd() as u32;
        let mut message = asking(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
        link(&mut message, 0, true);
        message.text(IFLA_IFNAME, name);
        message.number(IFLA_MASTER, bridge);
        message.nest(IFLA_LINKINFO, |info| {
            info.text(INFO_KIND, "veth");
            info.nest(INFO_DATA, |data| {
                data.nest(VETH_PEER, |peer| {
                    link(peer, 0, false);
                    peer.text(IFLA_IFNAME, "eth0");
                    peer.number(IFLA_NET_NS_FD, namespace);
                });
            });
        });
        self.ask(message)
    }

    /// Removes an interface; one that is gone is fine.
    pub(super) fn remove(&self, index: u32) -> io::Result<()> {
        let mut message = asking(RTM_DELLINK, 0);
        link(&mut message, index, false);
        match self.ask(message) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    /// Sets the hardware address of an interface that is not up.
    pub(super) fn set_mac(&self, index: u32, mac: [u8; 6]) -> io::Result<()> {
        let mut message = asking(RTM_NEWLINK, 0);
        link(&mut message, index, false);
        message.bytes(IFLA_ADDRESS, &mac);
        self.ask(message)
    }

    /// Brings an interface up.
    pub(super) fn up(&self, index: u32) -> io::Result<()> {
        let mut message = asking(RTM_NEWLINK, 0);
        link(&mut message, index, true);
        self.ask(message)
    }

    /// Brings an interface down, which takes its routes and neighbours away.
    pub(super) fn down(&self, index: u32) -> io::Result<()> {
        let mut message = asking(RTM_NEWLINK, 0);
        message.fixed(&[0; 4]);
        for field in [index, 0, libc::IFF_UP as u32] {
            message.fixed(&field.to_ne_bytes());
        }
        self.ask(message)
    }

    /// Takes an address off an interface.
    pub(super) fn remove_address(
        &self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    ) -> io::Result<()> {
        let mut message = asking(RTM_DELADDR, 0);
        message.fixed(&[libc::AF_INET as u8, prefix, 0, 0]);
        message.fixed(&index.to_ne_bytes());
        message.bytes(IFA_LOCAL, &address.octets());
        self.ask(message)
    }

    /// Gives an interface an address; one that it has already is fine.
    pub(super) fn add_address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut message = asking(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
        message.fixed(&[libc::AF_INET as u8, prefix, 0, 0]);
        message.fixed(&index.to_ne_bytes());
        message.bytes(IFA_LOCAL, &address.octets());
        message.bytes(IFA_ADDRESS, &address.octets());
        fine_if_there(self.ask(message))
    }

    /// Sends all that has no other way to a gateway.
    pub(super) fn add_default_route(&self, index: u32, gateway: Ipv4Addr) -> io::Result<()> {
        let mut message = asking(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
        let family = libc::AF_INET as u8;
        let fixed = [family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0];
        message.fixed(&fixed);
        message.bytes(RTA_GATEWAY, &gateway.octets());
        message.number(RTA_OIF, index);
        self.ask(message)
    }

    /// Makes an interface take all addresses that have no other way for its own.
    pub(super) fn add_local_route(&self, index: u32) -> io::Result<()> {
        let mut message = asking(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
        let family = libc::AF_INET as u8;
        let kind = [RT_TABLE_LOCAL, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL];
        message.fixed(&[family, 0, 0, 0]);
        message.fixed(&kind);
        message.fixed(&[0; 4]);
        message.number(RTA_OIF, index);
        fine_if_there(self.ask(message))
    }

    /// What has gone over an interface.
    pub(super) fn carriage(&self, name: &str) -> io::Result<Carriage> {
        let mut message = Message::new(RTM_GETLINK, 0);
        link(&mut message, 0, false);
        message.text(IFLA_IFNAME, name);
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answer = [0u8; 8_192];
        let (length, _) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        carriage_in(&answer[..length])
            .ok_or_else(|| io::Error::other("the kernel tells nothing of the interface"))
    }

    /// Sends a message and waits for the kernel's word on it.
    fn ask(&self, message: Message) -> io::Result<()> {
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answer = [0u8; 4_096];
        let (length, _) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        match errno_of(&answer[..length]) {
            Some(0) => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Err(io::Error::other("the kernel's answer cannot be read")),
        }
    }
}

/// Reads `struct rtnl_link_stats64`, an attribute behind the heads of message and interface.
fn carriage_in(answer: &[u8]) -> Option<Carriage> {
    let mut rest = answer.get(32..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        if kind == IFLA_STATS64 {
            let number = |at: usize| {
                let bytes = rest.get(4 + 8 * at..12 + 8 * at)?;
                Some(u64::from_ne_bytes(bytes.try_into().ok()?))
            };
            let way = |first: usize| {
                Some(Transfer {
                    count: number(first)?,
                    bytes: number(first + 2)?,
                    error_count: number(first + 4)?,
                    dropped_count: number(first + 6)?,
                })
            };
            return Some(Carriage { received: way(0)?, sent: way(1)? });
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
}

/// A message that the kernel answers.
fn asking(kind: u16, flags: u16) -> Message {
    Message::new(kind, flags | NLM_F_ACK)
}

/// `struct ifinfomsg`.
fn link(message: &mut Message, index: u32, up: bool) {
    let flag = if up { libc::IFF_UP as u32 } else { 0 };
    message.fixed(&[0; 4]);
    for field in [index, flag, flag] {
        message.fixed(&field.to_ne_bytes());
    }
}

fn fine_if_there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // as tests do
mod tests {
    use super::*;

    #[test]
    fn an_interface_tells_the_same_here_as_in_its_files() {
        let (netlink, name) = (Netlink::open().unwrap(), "lo");
        loop {
            let (before, told) = (Carriage::of(name), netlink.carriage(name).unwrap());
            if Carriage::of(name) == before {
                assert_eq!(told, before);
                return;
            }
        }
    }
}
