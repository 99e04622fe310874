//! What leads out of a VPC, and what belongs to it.

use std::net::Ipv4Addr;

use haar_ledger::IndexEntry;
use haar_types::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Key, resource};

/// An internet gateway. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InternetGatewayRow {
    pub(crate) key: Key,
    /// The VPC that it is attached to.
    pub(crate) vpc: Option<String>,
    pub(crate) tags: Tags,
}

resource!(
    InternetGatewayRow,
    "ec2.internet_gateway",
    "igw",
    InternetGateway,
    "InvalidInternetGatewayID.NotFound",
    "The internetGateway ID '%' does not exist",
    |row| row.vpc.iter().map(|vpc| IndexEntry::new("vpc", vpc)).collect()
);

/// How far a NAT gateway is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum NatState {
    Pending,
    Available,
    Deleting,
    Deleted,
}

/// A NAT gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NatGatewayRow {
    pub(crate) key: Key,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) is_public: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) deleted_at: Option<Timestamp>,
    /// Writers: operations (pending, deleting), `controllers::nat_gateways` (the others).
    pub(crate) state: NatState,
    /// `eni-…`; its addresses are the gateway's.
    pub(crate) interface: String,
    pub(crate) private_ip: Ipv4Addr,
    /// `eipalloc-…`.
    pub(crate) allocation: Option<String>,
    pub(crate) public_ip: Option<Ipv4Addr>,
    pub(crate) tags: Tags,
}

resource!(
    NatGatewayRow,
    "ec2.nat_gateway",
    "nat",
    Natgateway,
    "NatGatewayNotFound",
    "NatGateway % was not found",
    |row| vec![IndexEntry::new("vpc", &row.vpc)]
);

/// An elastic address. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AddressRow {
    pub(crate) key: Key,
    pub(crate) public_ip: Ipv4Addr,
    /// What it stands for; `association` names the pair.
    pub(crate) interface: Option<String>,
    pub(crate) private_ip: Option<Ipv4Addr>,
    /// `eipassoc-…`.
    pub(crate) association: Option<String>,
    pub(crate) tags: Tags,
}

resource!(
    AddressRow,
    "ec2.address",
    "eipalloc",
    ElasticIp,
    "InvalidAllocationID.NotFound",
    "The allocation ID '%' does not exist",
    |row| {
        let mut entries = vec![IndexEntry::new("public_ip", row.public_ip.to_string())];
        entries.extend(row.interface.iter().map(|id| IndexEntry::new("interface", id)));
        entries.extend(row.association.iter().map(|id| IndexEntry::new("association", id)));
        entries
    }
);

/// A VPC endpoint. All of haar's APIs are reachable from every VPC anyway: the endpoint is
/// kept, shown and routed, and changes nothing. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EndpointRow {
    pub(crate) key: Key,
    pub(crate) vpc: String,
    pub(crate) service: String,
    /// Interface, not gateway.
    pub(crate) is_interface: bool,
    pub(crate) policy: Option<String>,
    pub(crate) route_tables: Vec<String>,
    /// Subnets, each with its interface.
    pub(crate) subnets: Vec<(String, String)>,
    pub(crate) groups: Vec<String>,
    pub(crate) private_dns: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
}

resource!(
    EndpointRow,
    "ec2.vpc_endpoint",
    "vpce",
    VpcEndpoint,
    "InvalidVpcEndpointId.NotFound",
    "The Vpc Endpoint Id '%' does not exist",
    |row| {
        let groups = row.groups.iter().map(|group| IndexEntry::new("group", group));
        groups.chain([IndexEntry::new("vpc", &row.vpc)]).collect()
    }
);

/// A set of DHCP options. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DhcpOptionsRow {
    pub(crate) key: Key,
    /// Names and values.
    pub(crate) options: Vec<(String, Vec<String>)>,
    pub(crate) tags: Tags,
}

resource!(
    DhcpOptionsRow,
    "ec2.dhcp_options",
    "dopt",
    DhcpOptions,
    "InvalidDhcpOptionID.NotFound",
    "The dhcpOption ID '%' does not exist",
    |_row| Vec::new()
);
