//! Network access control lists: kept and shown; haar filters by security groups alone.

use haar_ledger::IndexEntry;
use haar_types::Tags;
use serde::{Deserialize, Serialize};

use super::{Key, resource};

/// A network ACL. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NetworkAclRow {
    pub(crate) key: Key,
    pub(crate) vpc: String,
    pub(crate) is_default: bool,
    /// Without the last ones, which deny and cannot be changed.
    pub(crate) entries: Vec<AclEntry>,
    /// `aclassoc-…` and the subnet.
    pub(crate) associations: Vec<(String, String)>,
    pub(crate) tags: Tags,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AclEntry {
    pub(crate) number: i32,
    pub(crate) is_egress: bool,
    /// A number; `-1` is all.
    pub(crate) protocol: String,
    pub(crate) allows: bool,
    pub(crate) ipv4: Option<String>,
    pub(crate) ipv6: Option<String>,
    /// First and last port.
    pub(crate) ports: Option<(i32, i32)>,
    /// ICMP's type and code.
    pub(crate) icmp: Option<(i32, i32)>,
}

resource!(
    NetworkAclRow,
    "ec2.network_acl",
    "acl",
    NetworkAcl,
    "InvalidNetworkAclID.NotFound",
    "The networkAcl ID '%' does not exist",
    |row| {
        let vpc = IndexEntry::new("vpc", &row.vpc);
        let uses = row.associations.iter();
        let uses = uses.map(|(id, _)| IndexEntry::new("association", id));
        std::iter::once(vpc).chain(uses).collect()
    }
);
