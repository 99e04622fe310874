//! Route tables.

use haar_ledger::IndexEntry;
use haar_types::Tags;
use serde::{Deserialize, Serialize};

use super::{Key, resource};

/// A route table. The local routes are its VPC's ranges and are not kept. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RouteTableRow {
    pub(crate) key: Key,
    pub(crate) vpc: String,
    pub(crate) routes: Vec<RouteEntry>,
    pub(crate) associations: Vec<TableAssociation>,
    pub(crate) tags: Tags,
}

impl RouteTableRow {
    /// Subnets without a table of their own use this one.
    pub(crate) fn is_main(&self) -> bool {
        self.associations.iter().any(TableAssociation::is_main)
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteEntry {
    pub(crate) destination: Destination,
    pub(crate) target: Target,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Destination {
    Ipv4(String),
    Ipv6(String),
    PrefixList(String),
}

impl Destination {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Ipv4(text) | Self::Ipv6(text) | Self::PrefixList(text) => text,
        }
    }
}

/// By way of what; ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    InternetGateway(String),
    NatGateway(String),
    Interface(String),
    Endpoint(String),
}

/// What uses a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableAssociation {
    /// `rtbassoc-…`.
    pub(crate) id: String,
    pub(crate) subnet: Option<String>,
    pub(crate) gateway: Option<String>,
}

impl TableAssociation {
    /// With the VPC itself.
    pub(crate) fn is_main(&self) -> bool {
        self.subnet.is_none() && self.gateway.is_none()
    }
}

resource!(
    RouteTableRow,
    "ec2.route_table",
    "rtb",
    RouteTable,
    "InvalidRouteTableID.NotFound",
    "The routeTable ID '%' does not exist",
    |row| {
        let vpc = IndexEntry::new("vpc", &row.vpc);
        let uses = row.associations.iter();
        let uses = uses.map(|used| IndexEntry::new("association", &used.id));
        std::iter::once(vpc).chain(uses).collect()
    }
);
