//! Security groups and their rules.

use haar_ledger::IndexEntry;
use haar_types::Tags;
use serde::{Deserialize, Serialize};

use super::{Key, resource};

/// A security group. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecurityGroupRow {
    pub(crate) key: Key,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc: String,
    pub(crate) tags: Tags,
}

resource!(
    SecurityGroupRow,
    "ec2.security_group",
    "sg",
    SecurityGroup,
    "InvalidGroup.NotFound",
    "The security group '%' does not exist",
    |row| vec![IndexEntry::new("vpc", &row.vpc)]
);

/// One rule of a group: one kind of traffic with one peer. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RuleRow {
    pub(crate) key: Key,
    /// `sg-…`.
    pub(crate) group: String,
    pub(crate) is_egress: bool,
    pub(crate) traffic: Traffic,
    pub(crate) peer: Peer,
    pub(crate) description: Option<String>,
    pub(crate) tags: Tags,
}

/// A kind of traffic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    pub(crate) protocol: String,
    /// First and last port, or ICMP's type and code; `None`: all.
    pub(crate) ports: Option<(i32, i32)>,
}

/// The other end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Peer {
    /// An IPv4 range in canonical form.
    Ipv4(String),
    /// An IPv6 range, kept as it was given; haar's networks speak IPv4.
    Ipv6(String),
    /// `pl-…`.
    PrefixList(String),
    /// Members of a group: `sg-…`.
    Group(String),
}

impl Peer {
    /// As messages name it.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Ipv4(text) | Self::Ipv6(text) | Self::PrefixList(text) | Self::Group(text) => {
                text
            }
        }
    }
}

resource!(
    RuleRow,
    "ec2.security_group_rule",
    "sgr",
    SecurityGroupRule,
    "InvalidSecurityGroupRuleId.NotFound",
    "The security group rule ID '%' does not exist",
    |row| {
        let mut entries = vec![IndexEntry::new("group", &row.group)];
        if let Peer::Group(group) = &row.peer {
            entries.push(IndexEntry::new("peer", group));
        }
        entries
    }
);
