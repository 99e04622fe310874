//! Virtual private clouds and their subnets.

use haar_ec2_contract::peek::Ipv4Range;
use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Region, Tags};
use serde::{Deserialize, Serialize};

use super::{Key, resource};

/// Says that an account's default VPC was made in a region, so that it is not made again after
/// the customer deleted it. Writer: the first command of the account in the region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlaceRow {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

impl Row for PlaceRow {
    type Key = (AccountId, Region);
    const TABLE: &'static str = "ec2.place";

    fn key(&self) -> Self::Key {
        (self.account.clone(), self.region.clone())
    }
}

/// A VPC. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VpcRow {
    pub(crate) key: Key,
    /// Its ranges; the first is its primary one.
    pub(crate) ranges: Vec<CidrAssociation>,
    pub(crate) is_default: bool,
    pub(crate) dedicated: bool,
    pub(crate) dns_support: bool,
    pub(crate) dns_hostnames: bool,
    pub(crate) usage_metrics: bool,
    /// `dopt-…`; `None`: the option set named `default`, which has none.
    pub(crate) dhcp_options: Option<String>,
    pub(crate) tags: Tags,
}

/// One range of a VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CidrAssociation {
    /// `vpc-cidr-assoc-…`.
    pub(crate) id: String,
    pub(crate) first: std::net::Ipv4Addr,
    pub(crate) prefix: u8,
}

impl CidrAssociation {
    pub(crate) fn new(id: String, range: Ipv4Range) -> Self {
        Self { id, first: range.first, prefix: range.prefix }
    }

    pub(crate) fn range(&self) -> Ipv4Range {
        Ipv4Range { first: self.first, prefix: self.prefix }
    }
}

resource!(
    VpcRow,
    "ec2.vpc",
    "vpc",
    Vpc,
    "InvalidVpcID.NotFound",
    "The vpc ID '%' does not exist",
    |row| row.ranges.iter().map(|range| IndexEntry::new("range", &range.id)).collect()
);

/// A subnet. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SubnetRow {
    pub(crate) key: Key,
    pub(crate) vpc: String,
    /// Such as `us-east-1a`.
    pub(crate) zone: String,
    pub(crate) first: std::net::Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) default_for_az: bool,
    pub(crate) map_public_ip: bool,
    /// Names of what is started there are made from its id instead of its address.
    pub(crate) resource_names: bool,
    /// Such names get an A record.
    pub(crate) a_records: bool,
    pub(crate) tags: Tags,
    /// Where the search for a free address goes on, counted from the range's first. Writer:
    /// whoever takes an address.
    pub(crate) cursor: u32,
}

impl SubnetRow {
    pub(crate) fn range(&self) -> Ipv4Range {
        Ipv4Range { first: self.first, prefix: self.prefix }
    }
}

resource!(
    SubnetRow,
    "ec2.subnet",
    "subnet",
    Subnet,
    "InvalidSubnetID.NotFound",
    "The subnet ID '%' does not exist",
    |row| vec![IndexEntry::new("vpc", &row.vpc)]
);
