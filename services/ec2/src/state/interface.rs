//! Network interfaces: who holds which address.

use std::net::Ipv4Addr;

use haar_ledger::IndexEntry;
use haar_types::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Key, resource};

/// A network interface. Writers: operations, and neighbours through the peek.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InterfaceRow {
    pub(crate) key: Key,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) zone: String,
    pub(crate) description: String,
    pub(crate) groups: Vec<String>,
    /// The first is its primary one and stays.
    pub(crate) addresses: Vec<OwnAddress>,
    pub(crate) source_dest_check: bool,
    /// `interface`, `natGateway`, `vpc_endpoint`, …
    pub(crate) kind: String,
    /// Who manages it; customers cannot change what a service manages.
    pub(crate) requester: Option<String>,
    /// `eni-attach-…` and when; set for what a service manages.
    pub(crate) attachment: Option<(String, Timestamp)>,
    pub(crate) tags: Tags,
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnAddress {
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) association: Option<Association>,
}

/// A public address that stands for a private one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Association {
    pub(crate) public_ip: Ipv4Addr,
    /// `eipassoc-…` and `eipalloc-…`; none for an address that came with the interface.
    pub(crate) elastic: Option<(String, String)>,
}

impl InterfaceRow {
    /// Its primary address.
    pub(crate) fn private_ip(&self) -> Ipv4Addr {
        self.addresses.first().map_or(Ipv4Addr::UNSPECIFIED, |address| address.private_ip)
    }
}

/// The index entry of an address in a subnet.
pub(crate) fn held(subnet: &str, address: Ipv4Addr) -> String {
    format!("{subnet}|{address}")
}

resource!(
    InterfaceRow,
    "ec2.network_interface",
    "eni",
    NetworkInterface,
    "InvalidNetworkInterfaceID.NotFound",
    "The networkInterface ID '%' does not exist",
    |row| {
        let mut entries = vec![IndexEntry::new("vpc", &row.vpc)];
        for address in &row.addresses {
            entries.push(IndexEntry::new("held", held(&row.subnet, address.private_ip)));
            entries.push(IndexEntry::new("private_ip", address.private_ip.to_string()));
            if let Some(association) = &address.association {
                let public = association.public_ip.to_string();
                entries.push(IndexEntry::new("public_ip", public));
            }
        }
        entries.extend(row.groups.iter().map(|group| IndexEntry::new("group", group)));
        entries.extend(row.requester.iter().map(|who| IndexEntry::new("requester", who)));
        entries
    }
);
