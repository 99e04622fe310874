//! Networks for what other rooms run: subnets, security groups, and interfaces in them.
//!
//! An [`Interface`]'s address is the very address that the thing has on haar's own network. It
//! is taken and given back inside the neighbour's transaction, so it can neither leak nor be
//! held twice.

use std::net::Ipv4Addr;

use haar_clock::Ids;
use haar_ledger::{Snapshot, Tx};
use haar_types::{AccountId, Region, Tags, Timestamp};

/// An account in a region: whose networks are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

impl Place {
    /// An account in a region.
    pub fn new(account: &AccountId, region: &Region) -> Self {
        Self { account: account.clone(), region: region.clone() }
    }
}

/// A subnet that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its VPC: `vpc-…`.
    pub vpc_id: String,
    /// Such as `us-east-1a`.
    pub availability_zone: String,
    /// Its range.
    pub range: Ipv4Range,
    /// Addresses that are free.
    pub available_count: u32,
    /// What is started there gets a public address unless it says otherwise.
    pub map_public_ip_on_launch: bool,
    /// It is its zone's default.
    pub is_default: bool,
}

/// A range of IPv4 addresses: `172.31.0.0/20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ipv4Range {
    /// Its first address.
    pub first: Ipv4Addr,
    /// Bits that all its addresses share, 0 to 32.
    pub prefix: u8,
}

impl Ipv4Range {
    /// The range of one address.
    pub fn one(address: Ipv4Addr) -> Self {
        Self { first: address, prefix: 32 }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        (u32::from(address) ^ u32::from(self.first)) & mask == 0
    }
}

impl std::fmt::Display for Ipv4Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// A security group that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Its name, unique in its VPC.
    pub name: String,
    /// Its VPC.
    pub vpc_id: String,
}

/// Traffic that one rule allows. Security groups have no rules that deny.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// IP protocol by number: 1 ICMP, 6 TCP, 17 UDP; `None`: all.
    pub protocol: Option<u8>,
    /// First and last port (for ICMP: type and code, -1 is any); `None`: all.
    pub ports: Option<(i32, i32)>,
    /// Where from (ingress) or where to (egress).
    pub peer: AllowedPeer,
}

/// The other side of allowed traffic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AllowedPeer {
    /// A range of addresses.
    Range(Ipv4Range),
    /// The members of a security group, `sg-…`, whoever they are at the time.
    Group(String),
}

/// What some security groups allow together, with prefix lists resolved to ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Towards the interface. What answers an allowed connection is allowed with it.
    pub ingress: Vec<Allowed>,
    /// From the interface.
    pub egress: Vec<Allowed>,
}

/// What an interface is wanted for.
#[derive(Clone, Debug)]
pub struct InterfaceRequest {
    /// Whose it will be.
    pub place: Place,
    /// The subnet: `subnet-…`.
    pub subnet_id: String,
    /// Its security groups; empty: the VPC's default group.
    pub security_group_ids: Vec<String>,
    /// Shown in `Description`, such as the task's ARN.
    pub description: String,
    /// Who manages it, shown in `RequesterId`, such as `ecs.amazonaws.com`.
    pub requester: String,
    /// Shown in `InterfaceType`; plain ones are `interface`.
    pub interface_type: String,
    /// A public address is to be shown; haar routes none.
    pub public_ip: bool,
    /// Its tags.
    pub tags: Tags,
    /// Now.
    pub now: Timestamp,
}

/// A network interface with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `eni-…`.
    pub id: String,
    /// Its own address: no other interface that rooms have made has it, in any account or region.
    pub private_ip: Ipv4Addr,
    /// Its hardware address: `0a:58:…`, made from [`Self::private_ip`].
    pub mac: String,
    /// Its name for that address: `ip-172-31-0-5.ec2.internal`.
    pub private_dns_name: String,
    /// The public address that `DescribeNetworkInterfaces` shows, where one was asked for.
    pub public_ip: Option<Ipv4Addr>,
    /// Its subnet.
    pub subnet_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Such as `us-east-1a`.
    pub availability_zone: String,
    /// Bits of its subnet's range.
    pub prefix: u8,
    /// The router of its subnet: the range's second address.
    pub gateway: Ipv4Addr,
    /// Its security groups.
    pub security_group_ids: Vec<String>,
}

/// Why there is no interface; the words are AWS's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    /// No such subnet in that account and region.
    #[error("The subnet ID '{0}' does not exist")]
    SubnetNotFound(String),
    /// No such security group in that account and region.
    #[error("The security group '{0}' does not exist")]
    GroupNotFound(String),
    /// A security group is in another VPC than the subnet.
    #[error("You have specified two resources that belong to different networks.")]
    GroupInOtherVpc(String),
    /// The subnet is full.
    #[error("The specified subnet does not have enough free addresses to satisfy the request.")]
    InsufficientFreeAddresses(String),
}

/// EC2's facts about networks, for rooms that run things in them.
///
/// An account's default VPC is there from the first look on, without any call before.
pub trait Ec2Peek: Send + Sync {
    /// A subnet.
    fn subnet(&self, snapshot: &Snapshot, place: &Place, id: &str) -> Option<Subnet>;

    /// The default subnets of the default VPC, by zone; none if the customer deleted them.
    fn default_subnets(&self, snapshot: &Snapshot, place: &Place) -> Vec<Subnet>;

    /// A security group.
    fn security_group(&self, snapshot: &Snapshot, place: &Place, id: &str)
    -> Option<SecurityGroup>;

    /// A VPC's own security group, named `default`.
    fn default_security_group(
        &self,
        snapshot: &Snapshot,
        place: &Place,
        vpc_id: &str,
    ) -> Option<SecurityGroup>;

    /// What these groups allow together; groups that are gone allow nothing. Rules change: look
    /// again when [`Ec2Peek::concerns_rules`] says so.
    fn rules(&self, snapshot: &Snapshot, place: &Place, group_ids: &[String]) -> Rules;

    /// Whether a change set touches rules of groups, or which groups an interface has that was
    /// there before.
    fn concerns_rules(&self, changes: &haar_ledger::ChangeSet) -> bool;

    /// Makes an interface with a free address of its subnet, one that no interface of any account
    /// or region has: all share the host's network.
    ///
    /// # Errors
    /// [`InterfaceError`]; then nothing was written.
    fn allocate_interface(
        &self,
        tx: &mut Tx,
        ids: &Ids,
        request: &InterfaceRequest,
    ) -> Result<Interface, InterfaceError>;

    /// Removes an interface; its address is free from then on. None is fine.
    fn release_interface(&self, tx: &mut Tx, place: &Place, id: &str);

    /// An interface that is there.
    fn interface(&self, snapshot: &Snapshot, place: &Place, id: &str) -> Option<Interface>;

    /// Whether an address is of a VPC, of whatever account and region.
    fn is_of_a_vpc(&self, snapshot: &Snapshot, address: Ipv4Addr) -> bool;

    /// All interfaces of a requester in every account and region, for sweepers: a place and an
    /// interface each.
    fn interfaces_of(&self, snapshot: &Snapshot, requester: &str) -> Vec<(Place, Interface)>;
}
