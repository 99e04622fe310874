//! What other rooms see and take of networks.

use std::net::Ipv4Addr;

use haar_clock::Ids;
use haar_ec2_contract::peek::{
    Allowed, AllowedPeer, Ec2Peek, Interface, InterfaceError, InterfaceRequest, Ipv4Range, Place,
    Rules, SecurityGroup, Subnet,
};
use haar_ledger::{BeforeAfter, ChangeSet, Snapshot, Tx};

use crate::interfaces::{available, next_free_anywhere, public_address, remove};
use crate::rules::{mac_of, managed_list, mint, parse_ipv4, private_dns_name};
use crate::state::{
    Association, InterfaceRow, OwnAddress, Peer, Resource, RuleRow, SecurityGroupRow, SubnetRow,
    Traffic, VpcRow, key_of,
};
use crate::world::{default_group, default_range, default_vpc, seen, settle};

/// The room's facts; they all are in the ledger.
pub(crate) struct Peek;

impl Ec2Peek for Peek {
    fn subnet(&self, snapshot: &Snapshot, place: &Place, id: &str) -> Option<Subnet> {
        let snapshot = seen(snapshot, place);
        Some(subnet(&snapshot, &*snapshot.get::<SubnetRow>(&key_of(place, id))?))
    }

    fn default_subnets(&self, snapshot: &Snapshot, place: &Place) -> Vec<Subnet> {
        let snapshot = seen(snapshot, place);
        let Some(vpc) = default_vpc(&snapshot, place) else { return Vec::new() };
        let rows = snapshot.by_index::<SubnetRow>("vpc", vpc.id());
        let defaults = rows.filter(|row| row.default_for_az);
        let mut subnets: Vec<Subnet> = defaults.map(|row| subnet(&snapshot, &row)).collect();
        subnets.sort_by(|one, other| one.availability_zone.cmp(&other.availability_zone));
        subnets
    }

    fn security_group(
        &self,
        snapshot: &Snapshot,
        place: &Place,
        id: &str,
    ) -> Option<SecurityGroup> {
        let row = seen(snapshot, place).get::<SecurityGroupRow>(&key_of(place, id))?;
        Some(group(&row))
    }

    fn default_security_group(
        &self,
        snapshot: &Snapshot,
        place: &Place,
        vpc_id: &str,
    ) -> Option<SecurityGroup> {
        default_group(&seen(snapshot, place), vpc_id).map(|row| group(&row))
    }

    fn rules(&self, snapshot: &Snapshot, place: &Place, group_ids: &[String]) -> Rules {
        let snapshot = seen(snapshot, place);
        let mut rules = Rules::default();
        for id in group_ids {
            for rule in snapshot.by_index::<RuleRow>("group", id) {
                let allowed = allowed(place, &rule);
                let side = if rule.is_egress { &mut rules.egress } else { &mut rules.ingress };
                side.extend(allowed);
            }
        }
        for side in [&mut rules.ingress, &mut rules.egress] {
            side.sort();
            side.dedup();
        }
        rules
    }

    fn is_of_a_vpc(&self, snapshot: &Snapshot, address: Ipv4Addr) -> bool {
        let holds = |range: Ipv4Range| range.contains(address);
        holds(default_range(snapshot))
            || snapshot.all::<VpcRow>().any(|vpc| vpc.ranges.iter().any(|one| holds(one.range())))
    }

    fn concerns_rules(&self, changes: &ChangeSet) -> bool {
        let moved = |(before, now): BeforeAfter<InterfaceRow>| {
            before.zip(now).is_some_and(|(before, now)| before.groups != now.groups)
        };
        changes.lost
            || changes.rows::<RuleRow>().next().is_some()
            || changes.rows::<InterfaceRow>().any(moved)
    }

    fn allocate_interface(
        &self,
        tx: &mut Tx,
        ids: &Ids,
        request: &InterfaceRequest,
    ) -> Result<Interface, InterfaceError> {
        let place = &request.place;
        let key = key_of(place, &request.subnet_id);
        let before = seen(tx, place);
        let missing = || InterfaceError::SubnetNotFound(request.subnet_id.clone());
        let subnet = before.get::<SubnetRow>(&key).ok_or_else(missing)?;
        let groups = groups_of(&before, request, &subnet)?;
        if available(&before, &subnet) == 0 {
            return Err(InterfaceError::InsufficientFreeAddresses(request.subnet_id.clone()));
        }
        settle(tx, place);
        let full = || InterfaceError::InsufficientFreeAddresses(request.subnet_id.clone());
        let private_ip = next_free_anywhere(tx, &subnet).ok_or_else(full)?;
        let public_ip = match request.public_ip {
            true => public_address(tx, || ids.draw()),
            false => None,
        };
        let association = public_ip.map(|public_ip| Association { public_ip, elastic: None });
        let row = InterfaceRow {
            key: key_of(place, &mint(ids, "eni")),
            vpc: subnet.vpc.clone(),
            subnet: request.subnet_id.clone(),
            zone: subnet.zone.clone(),
            description: request.description.clone(),
            groups,
            addresses: vec![OwnAddress { private_ip, association }],
            source_dest_check: true,
            kind: request.interface_type.clone(),
            requester: Some(request.requester.clone()),
            attachment: Some((mint(ids, "eni-attach"), request.now)),
            tags: request.tags.clone(),
        };
        let made = interface(&row, subnet.range());
        tx.put(row);
        Ok(made)
    }

    fn release_interface(&self, tx: &mut Tx, place: &Place, id: &str) {
        remove(tx, &key_of(place, id));
    }

    fn interface(&self, snapshot: &Snapshot, place: &Place, id: &str) -> Option<Interface> {
        let row = snapshot.get::<InterfaceRow>(&key_of(place, id))?;
        shown(snapshot, &row)
    }

    fn interfaces_of(&self, snapshot: &Snapshot, requester: &str) -> Vec<(Place, Interface)> {
        let rows = snapshot.by_index::<InterfaceRow>("requester", requester);
        rows.filter_map(|row| Some((row.place(), shown(snapshot, &row)?))).collect()
    }
}

fn subnet(snapshot: &Snapshot, row: &SubnetRow) -> Subnet {
    Subnet {
        id: row.id().to_owned(),
        vpc_id: row.vpc.clone(),
        availability_zone: row.zone.clone(),
        range: row.range(),
        available_count: available(snapshot, row),
        map_public_ip_on_launch: row.map_public_ip,
        is_default: row.default_for_az,
    }
}

fn group(row: &SecurityGroupRow) -> SecurityGroup {
    SecurityGroup { id: row.id().to_owned(), name: row.name.clone(), vpc_id: row.vpc.clone() }
}

fn groups_of(
    snapshot: &Snapshot,
    request: &InterfaceRequest,
    subnet: &SubnetRow,
) -> Result<Vec<String>, InterfaceError> {
    let mut groups = Vec::new();
    for id in &request.security_group_ids {
        let row = snapshot.get::<SecurityGroupRow>(&key_of(&request.place, id));
        let row = row.ok_or_else(|| InterfaceError::GroupNotFound(id.clone()))?;
        if row.vpc != subnet.vpc {
            return Err(InterfaceError::GroupInOtherVpc(id.clone()));
        }
        groups.push(id.clone());
    }
    if groups.is_empty() {
        groups.extend(default_group(snapshot, &subnet.vpc).map(|row| row.id().to_owned()));
    }
    Ok(groups)
}

/// An interface as its subnet makes it; none if the subnet is gone, which cannot be while it
/// has interfaces.
fn shown(snapshot: &Snapshot, row: &InterfaceRow) -> Option<Interface> {
    let subnet = snapshot.get::<SubnetRow>(&key_of(&row.place(), &row.subnet))?;
    Some(interface(row, subnet.range()))
}

fn interface(row: &InterfaceRow, range: Ipv4Range) -> Interface {
    let private_ip = row.private_ip();
    let first = row.addresses.first();
    let association = first.and_then(|address| address.association.as_ref());
    Interface {
        id: row.id().to_owned(),
        private_ip,
        mac: mac_of(private_ip),
        private_dns_name: private_dns_name(private_ip, row.key.1.as_str()),
        public_ip: association.map(|association| association.public_ip),
        subnet_id: row.subnet.clone(),
        vpc_id: row.vpc.clone(),
        availability_zone: row.zone.clone(),
        prefix: range.prefix,
        gateway: std::net::Ipv4Addr::from(u32::from(range.first) + 1),
        security_group_ids: row.groups.clone(),
    }
}

/// One rule, a prefix list resolved to ranges. IPv6 peers resolve to nothing.
fn allowed(place: &Place, rule: &RuleRow) -> Vec<Allowed> {
    let range = |text: &str| parse_ipv4(text).map(AllowedPeer::Range);
    let peers: Vec<AllowedPeer> = match &rule.peer {
        Peer::Ipv4(text) => range(text).into_iter().collect(),
        Peer::Ipv6(_) => Vec::new(),
        Peer::PrefixList(id) => {
            let list = managed_list(place, id);
            list.iter().flat_map(|list| list.ranges).filter_map(|text| range(text)).collect()
        }
        Peer::Group(id) => vec![AllowedPeer::Group(id.clone())],
    };
    let (protocol, ports) = numbers(&rule.traffic);
    peers.into_iter().map(|peer| Allowed { protocol, ports, peer }).collect()
}

/// A kind of traffic as numbers.
fn numbers(traffic: &Traffic) -> (Option<u8>, Option<(i32, i32)>) {
    let protocol = match traffic.protocol.as_str() {
        "-1" => None,
        "tcp" => Some(6),
        "udp" => Some(17),
        "icmp" => Some(1),
        "icmpv6" => Some(58),
        number => number.parse().ok(),
    };
    let ports = traffic.ports.filter(|ports| *ports != (-1, -1));
    (protocol, ports)
}
