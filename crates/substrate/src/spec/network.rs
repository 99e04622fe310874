//! A sandbox's network.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A sandbox's network; containers of one sandbox always share it, `localhost` included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// A loopback interface of its own and nothing else.
    Loopback,
    /// An interface `eth0` on this server's bridge, with an address of its own.
    Bridged(Bridged),
    /// The host's own network. Kept from nothing there.
    Host,
}

/// Where other clouds tell their machines their secrets: Alibaba's and Azure's, which are not, as
/// all others are, on the link. Nothing in a sandbox gets there.
pub const TELLERS: [Ipv4Addr; 2] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// An interface on this server's bridge. Host and other sandboxes reach its address; it
/// reaches them and, by way of the host where that can translate addresses, what is beyond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridged {
    /// Its address, chosen by the caller, who knows which are free. One that another sandbox of
    /// this server has is refused.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix.
    pub prefix: u8,
    /// The bridge's own address in that subnet. Subnets of one host must not overlap, those
    /// of other servers included.
    pub gateway: Ipv4Addr,
    /// The interface's hardware address; one made from `address` where not told.
    pub mac: Option<[u8; 6]>,
    /// Name servers; none is the bridge's own, which asks those that the host asks.
    pub dns: Vec<Ipv4Addr>,
    /// Domains that short names are looked up in.
    pub search: Vec<String>,
    /// Ports of the host that lead to ports of the sandbox.
    pub ports: Vec<PortMapping>,
    /// Sandboxes of other realms neither reach it nor are reached, whatever filters say, where
    /// the backend has filters of its own; `None` is everybody's.
    pub realm: Option<String>,
    /// Who may reach it and whom it may reach; `None` is everybody.
    pub filter: Option<Filter>,
}

/// A port of the host that leads to one of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// On the host; unspecified is every address.
    pub host_address: Ipv4Addr,
    /// On the host; 0 asks for a free one, told by [`crate::NetworkStatus::ports`].
    pub host_port: u16,
    /// In the sandbox.
    pub container_port: u16,
    /// Which of the two.
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Which new connections are let through; answers to those that are always are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Groups that the sandbox is a member of, by names that its caller chose.
    pub groups: Vec<String>,
    /// To the sandbox; what no rule names is dropped.
    pub ingress: Vec<FilterRule>,
    /// From the sandbox; what no rule names is dropped.
    pub egress: Vec<FilterRule>,
}

/// Some connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterRule {
    /// By protocol.
    pub protocol: RuleProtocol,
    /// By the other side.
    pub peers: Vec<Peer>,
    /// By the other side too: sandboxes that are members of these groups, whenever they are.
    pub groups: Vec<String>,
}

/// A rule's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleProtocol {
    /// Every one.
    Any,
    /// TCP to a range of ports, both ends included.
    Tcp(u16, u16),
    /// UDP to a range of ports, both ends included.
    Udp(u16, u16),
    /// ICMP.
    Icmp,
}

/// The other side of a rule: a network, `address` with a prefix of this length. One address has
/// the prefix 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its first address.
    pub address: Ipv4Addr,
    /// Length of its prefix.
    pub prefix: u8,
}
