//! What every account has in every region without having made it: the default VPC with a
//! subnet in each zone, its gateway, route table, ACL and security group, and the default DHCP
//! options.
//!
//! Their ids are made from account and region alone. Reads see the rows before anybody wrote
//! them ([`seen`]); the first command of an account in a region writes them ([`settle`]).
//! AWS docs: *Amazon VPC User Guide > Default VPCs*.

use std::net::Ipv4Addr;

use haar_ec2_contract::peek::{Ipv4Range, Place};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;

use crate::rules::{derived, domain, zones};
use crate::state::{
    AclEntry, CidrAssociation, Destination, DhcpOptionsRow, GroundRow, InternetGatewayRow,
    NetworkAclRow, Peer, PlaceRow, Resource as _, RouteEntry, RouteTableRow, RuleRow,
    SecurityGroupRow, SubnetRow, TableAssociation, Target, Traffic, VpcRow, key_of, rows_of,
};

/// Where the default VPC's range begins on AWS, and here unless the host has that for something
/// else.
const FIRST: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 0);
/// Bits of its range.
const PREFIX: u8 = 16;
/// Bits of a default subnet's range.
const SUBNET_PREFIX: u8 = 20;

/// The state of a place as customers see it.
pub(crate) fn seen(snapshot: &Snapshot, place: &Place) -> Snapshot {
    match is_settled(snapshot, place) {
        true => snapshot.clone(),
        false => snapshot.supposing(|tx| settle(tx, place)),
    }
}

/// Writes what every account has, unless it was written before.
pub(crate) fn settle(tx: &mut Tx, place: &Place) {
    if is_settled(tx, place) {
        return;
    }
    tx.put(PlaceRow { account: place.account.clone(), region: place.region.clone() });
    let mint = |prefix: &str, role: &str| derived(prefix, place, role);
    let dhcp = put_default_dhcp(tx, place, &mint);
    put_default_vpc(tx, place, dhcp, &mint);
}

/// The first address of default VPCs' ranges, where accounts have such VPCs already: it stays.
pub fn ground(snapshot: &Snapshot) -> Option<Ipv4Addr> {
    let is_used = snapshot.all::<PlaceRow>().next().is_some();
    is_used.then(|| default_range(snapshot).first)
}

/// Sets where default VPCs lie that are made from now on: all clouds of a host have the same
/// addresses on AWS's terms, which one host cannot give them.
pub fn set_ground(tx: &mut Tx, first: Ipv4Addr) {
    tx.put(GroundRow { first });
}

/// The range of default VPCs.
pub(crate) fn default_range(snapshot: &Snapshot) -> Ipv4Range {
    let row = snapshot.get::<GroundRow>(&GroundRow::KEY.to_owned());
    Ipv4Range { first: row.map_or(FIRST, |row| row.first), prefix: PREFIX }
}

fn is_settled(snapshot: &Snapshot, place: &Place) -> bool {
    snapshot.contains::<PlaceRow>(&(place.account.clone(), place.region.clone()))
}

/// Names what is made: a kind's prefix and its role in the VPC.
pub(crate) type Mint<'a> = &'a dyn Fn(&str, &str) -> String;

fn put_default_dhcp(tx: &mut Tx, place: &Place, mint: Mint<'_>) -> String {
    let id = mint("dopt", "default");
    let options = vec![
        ("domain-name".to_owned(), vec![domain(place.region.as_str())]),
        ("domain-name-servers".to_owned(), vec!["AmazonProvidedDNS".to_owned()]),
    ];
    tx.put(DhcpOptionsRow { key: key_of(place, &id), options, tags: Tags::new() });
    id
}

/// The option set that a new VPC has: the default one, or none if the customer deleted it.
pub(crate) fn default_dhcp(tx: &Tx, place: &Place) -> Option<String> {
    let id = derived("dopt", place, "default");
    tx.contains::<DhcpOptionsRow>(&key_of(place, &id)).then_some(id)
}

/// The default VPC with all that is in it; answers its id.
pub(crate) fn put_default_vpc(
    tx: &mut Tx,
    place: &Place,
    dhcp: impl Into<Option<String>>,
    mint: Mint<'_>,
) -> String {
    let range = default_range(tx);
    let vpc = VpcRow {
        key: key_of(place, &mint("vpc", "default")),
        ranges: vec![CidrAssociation::new(mint("vpc-cidr-assoc", "default"), range)],
        is_default: true,
        dedicated: false,
        dns_support: true,
        dns_hostnames: true,
        usage_metrics: false,
        dhcp_options: dhcp.into(),
        tags: Tags::new(),
    };
    let id = vpc.id().to_owned();
    put_vpc(tx, place, vpc, mint);
    let gateway = mint("igw", "default");
    tx.put(InternetGatewayRow {
        key: key_of(place, &gateway),
        vpc: Some(id.clone()),
        tags: Tags::new(),
    });
    if let Some(table) = main_table(tx, &id) {
        let everywhere = Destination::Ipv4("0.0.0.0/0".to_owned());
        let route =
            RouteEntry { destination: everywhere, target: Target::InternetGateway(gateway) };
        tx.update::<RouteTableRow>(&table, |table| table.routes.push(route));
    }
    for (number, zone) in zones(place.region.as_str()).into_iter().enumerate() {
        let offset = u32::try_from(number).unwrap_or(0) << (32 - SUBNET_PREFIX);
        let first = Ipv4Addr::from(u32::from(range.first) + offset);
        let key = key_of(place, &mint("subnet", &zone));
        let subnet = default_subnet(key, &id, zone, Ipv4Range { first, prefix: SUBNET_PREFIX });
        let association = mint("aclassoc", &subnet.zone);
        put_subnet(tx, place, subnet, association);
    }
    id
}

/// A zone's default subnet.
pub(crate) fn default_subnet(
    key: crate::state::Key,
    vpc: &str,
    zone: String,
    range: Ipv4Range,
) -> SubnetRow {
    SubnetRow {
        key,
        vpc: vpc.to_owned(),
        zone,
        first: range.first,
        prefix: range.prefix,
        default_for_az: true,
        map_public_ip: true,
        resource_names: false,
        a_records: false,
        tags: Tags::new(),
        cursor: 0,
    }
}

/// A VPC with what each has from its first moment on: main route table, ACL, security group.
pub(crate) fn put_vpc(tx: &mut Tx, place: &Place, vpc: VpcRow, mint: Mint<'_>) {
    let id = vpc.id().to_owned();
    tx.put(vpc);
    let main = TableAssociation { id: mint("rtbassoc", "main"), subnet: None, gateway: None };
    tx.put(RouteTableRow {
        key: key_of(place, &mint("rtb", "main")),
        vpc: id.clone(),
        routes: Vec::new(),
        associations: vec![main],
        tags: Tags::new(),
    });
    tx.put(NetworkAclRow {
        key: key_of(place, &mint("acl", "default")),
        vpc: id.clone(),
        is_default: true,
        entries: vec![allow_all(false), allow_all(true)],
        associations: Vec::new(),
        tags: Tags::new(),
    });
    let group = mint("sg", "default");
    tx.put(SecurityGroupRow {
        key: key_of(place, &group),
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        vpc: id,
        tags: Tags::new(),
    });
    let own = Peer::Group(group.clone());
    tx.put(rule(place, &mint("sgr", "ingress"), &group, false, own));
    tx.put(rule(place, &mint("sgr", "egress"), &group, true, Peer::Ipv4("0.0.0.0/0".to_owned())));
}

/// A rule for all traffic.
pub(crate) fn rule(place: &Place, id: &str, group: &str, is_egress: bool, peer: Peer) -> RuleRow {
    RuleRow {
        key: key_of(place, id),
        group: group.to_owned(),
        is_egress,
        traffic: Traffic { protocol: "-1".to_owned(), ports: None },
        peer,
        description: None,
        tags: Tags::new(),
    }
}

fn allow_all(is_egress: bool) -> AclEntry {
    AclEntry {
        number: 100,
        is_egress,
        protocol: "-1".to_owned(),
        allows: true,
        ipv4: Some("0.0.0.0/0".to_owned()),
        ipv6: None,
        ports: None,
        icmp: None,
    }
}

/// A subnet, under its VPC's default ACL.
pub(crate) fn put_subnet(tx: &mut Tx, place: &Place, subnet: SubnetRow, association: String) {
    let id = subnet.id().to_owned();
    let in_vpc = |acl: &NetworkAclRow| acl.vpc == subnet.vpc && acl.is_default;
    let acl =
        rows_of::<NetworkAclRow>(tx, place).find(|acl| in_vpc(acl)).map(|acl| acl.key.clone());
    if let Some(acl) = acl {
        tx.update::<NetworkAclRow>(&acl, |acl| acl.associations.push((association, id)));
    }
    tx.put(subnet);
}

/// The key of a VPC's main route table.
pub(crate) fn main_table(snapshot: &Snapshot, vpc: &str) -> Option<crate::state::Key> {
    let mut tables = snapshot.by_index::<RouteTableRow>("vpc", vpc);
    tables.find(|table| table.is_main()).map(|table| table.key.clone())
}

/// A VPC's security group named `default`.
pub(crate) fn default_group(
    snapshot: &Snapshot,
    vpc: &str,
) -> Option<std::sync::Arc<SecurityGroupRow>> {
    snapshot.by_index::<SecurityGroupRow>("vpc", vpc).find(|group| group.name == "default")
}

/// The default VPC of a place, if it still has one.
pub(crate) fn default_vpc(snapshot: &Snapshot, place: &Place) -> Option<std::sync::Arc<VpcRow>> {
    rows_of::<VpcRow>(snapshot, place).find(|vpc| vpc.is_default)
}
