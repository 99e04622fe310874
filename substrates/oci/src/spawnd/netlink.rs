//! The few messages to the kernel's network configuration that sandboxes need.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RTN_UNICAST: u8 = 1;

/// A socket to the configuration of the network namespace that it was opened in.
pub(super) struct Netlink(OwnedFd);

/// A message under construction.
struct Message(Vec<u8>);

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let kind = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
        Ok(Self(socket_with(kind.0, kind.1, kind.2, None)?))
    }

    /// Makes a bridge, up; one that is there is fine.
    pub(super) fn add_bridge(&self, name: &str) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
        message.link(0, true);
        message.text(IFLA_IFNAME, name);
        message.nest(IFLA_LINKINFO, |info| info.text(INFO_KIND, "bridge"));
        fine_if_there(self.ask(message))
    }

    /// Makes a pair of interfaces: one on a bridge, the other born in another namespace.
    pub(super) fn add_pair(&self, name: &str, bridge: u32, inside: impl AsFd) -> io::Result<()> {
        let namespace = inside.as_fd().as_raw_fd() as u32;
        let mut message = Message::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
        message.link(0, true);
        message.text(IFLA_IFNAME, name);
        message.number(IFLA_MASTER, bridge);
        message.nest(IFLA_LINKINFO, |info| {
            info.text(INFO_KIND, "veth");
            info.nest(INFO_DATA, |data| {
                data.nest(VETH_PEER, |peer| {
                    peer.link(0, false);
                    peer.text(IFLA_IFNAME, "eth0");
                    peer.number(IFLA_NET_NS_FD, namespace);
                });
            });
        });
        self.ask(message)
    }

    /// Removes an interface; one that is gone is fine.
    pub(super) fn remove(&self, index: u32) -> io::Result<()> {
        let mut message = Message::new(RTM_DELLINK, 0);
        message.link(index, false);
        match self.ask(message) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    /// Sets the hardware address of an interface that is not up.
    pub(super) fn set_mac(&self, index: u32, mac: [u8; 6]) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWLINK, 0);
        message.link(index, false);
        message.bytes(IFLA_ADDRESS, &mac);
        self.ask(message)
    }

    /// Brings an interface up.
    pub(super) fn up(&self, index: u32) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWLINK, 0);
        message.link(index, true);
        self.ask(message)
    }

    /// Gives an interface an address; one that it has already is fine.
    pub(super) fn add_address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
        message.0.extend_from_slice(&[libc::AF_INET as u8, prefix, 0, 0]);
        message.0.extend_from_slice(&index.to_ne_bytes());
        message.bytes(IFA_LOCAL, &address.octets());
        message.bytes(IFA_ADDRESS, &address.octets());
        fine_if_there(self.ask(message))
    }

    /// Sends all that has no other way to a gateway.
    pub(super) fn add_default_route(&self, index: u32, gateway: Ipv4Addr) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
        let family = libc::AF_INET as u8;
        let fixed = [family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0];
        message.0.extend_from_slice(&fixed);
        message.bytes(RTA_GATEWAY, &gateway.octets());
        message.number(RTA_OIF, index);
        self.ask(message)
    }

    /// Sends a message and waits for the kernel's word on it.
    fn ask(&self, message: Message) -> io::Result<()> {
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answer = [0u8; 4_096];
        let (length, _) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        let answer = &answer[..length];
        let kind = answer.get(4..6).map(|kind| u16::from_ne_bytes([kind[0], kind[1]]));
        let errno =
            answer.get(16..20).map(|code| i32::from_ne_bytes([code[0], code[1], code[2], code[3]]));
        match (kind, errno) {
            (Some(NLMSG_ERROR), Some(0)) => Ok(()),
            (Some(NLMSG_ERROR), Some(errno)) => Err(io::Error::from_raw_os_error(-errno)),
            _ => Err(io::Error::other("the kernel's answer cannot be read")),
        }
    }
}

fn fine_if_there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self(bytes)
    }

    /// `struct ifinfomsg`.
    fn link(&mut self, index: u32, up: bool) {
        let flag = if up { libc::IFF_UP as u32 } else { 0 };
        self.0.extend_from_slice(&[0; 4]);
        for field in [index, flag, flag] {
            self.0.extend_from_slice(&field.to_ne_bytes());
        }
    }

    fn text(&mut self, kind: u16, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes);
    }

    fn number(&mut self, kind: u16, number: u32) {
        self.bytes(kind, &number.to_ne_bytes());
    }

    fn bytes(&mut self, kind: u16, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u16 + 4).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(bytes);
        self.pad();
    }

    fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        fill(self);
        let length = (self.0.len() - at) as u16;
        self.0[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}
