//! Network interfaces: making, showing, deleting.

use std::net::Ipv4Addr;

use haar_ec2_contract::{
    CreateNetworkInterface, CreateNetworkInterfaceRequest, CreateNetworkInterfaceResult,
    DeleteNetworkInterface, DeleteNetworkInterfaceOutput, DeleteNetworkInterfaceRequest,
    DescribeNetworkInterfaces, DescribeNetworkInterfacesRequest, DescribeNetworkInterfacesResult,
    ResourceType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::interfaces::{exhausted, given, next_free, remove};
use crate::listing::{ask, describe, place_of};
use crate::refusal::{combination, invalid, refuse, unsupported};
use crate::rules::{flag, mac_of, mint, private_dns_name, specified_tags, zone_id};
use crate::state::{InterfaceRow, OwnAddress, Resource, SecurityGroupRow, SubnetRow, key_of};
use crate::world::{default_group, seen, settle};
use crate::{Ec2, render};

/// Private addresses of an interface at most.
pub(super) const ADDRESSES_MAX: usize = 50;
/// Security groups of an interface at most. AWS docs: *Amazon VPC User Guide > Amazon VPC quotas*.
pub(super) const GROUPS_MAX: usize = 5;

impl Command<CreateNetworkInterface> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateNetworkInterfaceRequest,
    ) -> Answer<CreateNetworkInterface> {
        let place = place_of(call);
        settle(tx, &place);
        refuse_others(&input)?;
        let tags = specified_tags(input.tag_specifications, ResourceType::NetworkInterface)?;
        let subnet = SubnetRow::find(tx, &place, &input.subnet_id)?;
        let listed = input.private_ip_addresses.unwrap_or_default();
        let primary = listed.iter().find(|address| address.primary == Some(true));
        let primary = primary.and_then(|address| address.private_ip_address.clone());
        if primary.is_some() && input.private_ip_address.is_some() {
            let text = "The parameters privateIpAddress and privateIpAddresses may not be used \
                        together with a primary address in each";
            return Err(combination(text));
        }
        let others: Vec<String> = listed
            .into_iter()
            .filter(|address| address.primary != Some(true))
            .filter_map(|address| address.private_ip_address)
            .collect();
        let blank = Blank {
            kind: "interface",
            description: input.description.unwrap_or_default(),
            requester: None,
            private_ip: input.private_ip_address.or(primary),
            groups: input.groups.unwrap_or_default(),
            tags,
        };
        let row = put_interface(call, tx, &subnet, blank)?;
        let count = input.secondary_private_ip_address_count.unwrap_or(0);
        let row = add_addresses(tx, &subnet, row, &others, count)?;
        Ok(made(tx, &row, input.client_token))
    }
}

fn refuse_others(input: &CreateNetworkInterfaceRequest) -> Result<(), AwsError> {
    let ipv6 = input.ipv6_address_count.unwrap_or(0) > 0
        || input.ipv6_addresses.as_ref().is_some_and(|list| !list.is_empty())
        || input.ipv6_prefix_count.is_some()
        || input.ipv6_prefixes.is_some();
    if ipv6 {
        return Err(unsupported("IPv6 in VPCs"));
    }
    if input.ipv4_prefix_count.is_some() || input.ipv4_prefixes.is_some() {
        return Err(unsupported("a prefix of an interface"));
    }
    match input.interface_type {
        Some(kind) => Err(unsupported(&format!("the interface type {kind}"))),
        None => Ok(()),
    }
}

fn made(tx: &Tx, row: &InterfaceRow, client_token: Option<String>) -> CreateNetworkInterfaceResult {
    CreateNetworkInterfaceResult {
        network_interface: Some(render::interface(tx, row)),
        client_token,
    }
}

/// An interface to be made.
pub(super) struct Blank {
    pub(super) kind: &'static str,
    pub(super) description: String,
    pub(super) requester: Option<&'static str>,
    /// The wanted primary address; `None`: any.
    pub(super) private_ip: Option<String>,
    /// Empty: the VPC's default group.
    pub(super) groups: Vec<String>,
    pub(super) tags: Tags,
}

/// Makes an interface in a subnet and writes it.
pub(super) fn put_interface(
    call: &Call,
    tx: &mut Tx,
    subnet: &SubnetRow,
    blank: Blank,
) -> Result<InterfaceRow, AwsError> {
    let place = place_of(call);
    let groups = groups_in(tx, subnet, blank.groups)?;
    let private_ip = match &blank.private_ip {
        Some(text) => given(tx, subnet, text, &[])?,
        None => next_free(tx, subnet, &[]).ok_or_else(|| exhausted(subnet.id()))?,
    };
    let attachment = blank.requester.map(|_| (mint(&call.ids, "eni-attach"), call.now));
    let row = InterfaceRow {
        key: key_of(&place, &mint(&call.ids, "eni")),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id().to_owned(),
        zone: subnet.zone.clone(),
        description: blank.description,
        groups,
        addresses: vec![OwnAddress { private_ip, association: None }],
        source_dest_check: blank.kind != "natGateway",
        kind: blank.kind.to_owned(),
        requester: blank.requester.map(str::to_owned),
        attachment,
        tags: blank.tags,
    };
    tx.put(row.clone());
    Ok(row)
}

/// Security groups of a subnet's VPC; none given means its default group.
pub(super) fn groups_in(
    tx: &Tx,
    subnet: &SubnetRow,
    wanted: Vec<String>,
) -> Result<Vec<String>, AwsError> {
    if wanted.is_empty() {
        let own = default_group(tx, &subnet.vpc);
        return Ok(own.iter().map(|group| group.id().to_owned()).collect());
    }
    if wanted.len() > GROUPS_MAX {
        let text = "You have exceeded the number of security groups allowed per network interface.";
        return Err(refuse("SecurityGroupsPerInterfaceLimitExceeded", text));
    }
    for id in &wanted {
        let group = SecurityGroupRow::find(tx, &subnet.place(), id)?;
        if group.vpc != subnet.vpc {
            let text = "You have specified two resources that belong to different networks.";
            return Err(invalid(text));
        }
    }
    Ok(wanted)
}

/// Gives an interface more addresses: these, and as many others as `count` says.
pub(super) fn add_addresses(
    tx: &mut Tx,
    subnet: &SubnetRow,
    row: InterfaceRow,
    wanted: &[String],
    count: i32,
) -> Result<InterfaceRow, AwsError> {
    let count = usize::try_from(count).unwrap_or(0);
    if row.addresses.len() + wanted.len() + count > ADDRESSES_MAX {
        let text = format!(
            "The number of private addresses of an interface cannot exceed {ADDRESSES_MAX}."
        );
        return Err(refuse("PrivateIpAddressLimitExceeded", text));
    }
    let mut taken: Vec<Ipv4Addr> = row.addresses.iter().map(|own| own.private_ip).collect();
    for text in wanted {
        taken.push(given(tx, subnet, text, &taken)?);
    }
    for _ in 0..count {
        taken.push(next_free(tx, subnet, &taken).ok_or_else(|| exhausted(subnet.id()))?);
    }
    let mut row = row;
    for private_ip in taken.into_iter().skip(row.addresses.len()) {
        row.addresses.push(OwnAddress { private_ip, association: None });
    }
    tx.put(row.clone());
    Ok(row)
}

impl Query<DescribeNetworkInterfaces> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeNetworkInterfacesRequest,
    ) -> Answer<DescribeNetworkInterfaces> {
        let place = place_of(call);
        let snapshot = &seen(snapshot, &place);
        let says = |row: &InterfaceRow, name: &str| says(snapshot, row, name);
        let page = describe(snapshot, &place, ask!(input, network_interface_ids), says)?;
        let interfaces = page.items.iter().map(|row| render::interface(snapshot, row));
        Ok(DescribeNetworkInterfacesResult {
            network_interfaces: Some(interfaces.collect()),
            next_token: page.next,
        })
    }
}

fn says(snapshot: &Snapshot, row: &InterfaceRow, name: &str) -> Option<Vec<String>> {
    let own = row.addresses.iter();
    let public = || row.addresses.iter().filter_map(|own| own.association.as_ref());
    let elastic = || public().filter_map(|it| it.elastic.as_ref());
    let region = row.key.1.as_str();
    let attachment = row.attachment.iter();
    Some(match name {
        "addresses.association.owner-id" | "association.ip-owner-id" => {
            elastic().map(|_| row.owner()).collect()
        }
        "addresses.association.public-ip" | "association.public-ip" => {
            public().map(|it| it.public_ip.to_string()).collect()
        }
        "addresses.primary" => vec!["true".to_owned()],
        "addresses.private-ip-address" => own.map(|own| own.private_ip.to_string()).collect(),
        "association.allocation-id" => elastic().map(|(_, id)| id.clone()).collect(),
        "association.association-id" => elastic().map(|(id, _)| id.clone()).collect(),
        "attachment.attachment-id" => attachment.map(|(id, _)| id.clone()).collect(),
        "attachment.status" => attachment.map(|_| "attached".to_owned()).collect(),
        "attachment.device-index" => attachment.map(|_| "1".to_owned()).collect(),
        "attachment.instance-owner-id" => row.requester.iter().cloned().collect(),
        "availability-zone" => vec![row.zone.clone()],
        "availability-zone-id" => vec![zone_id(&row.zone)],
        "description" => vec![row.description.clone()],
        "group-id" => row.groups.clone(),
        "group-name" => render::group_identifiers(snapshot, row)
            .into_iter()
            .filter_map(|group| group.group_name)
            .collect(),
        "interface-type" => vec![row.kind.clone()],
        "mac-address" => vec![mac_of(row.private_ip())],
        "network-interface-id" => vec![row.id().to_owned()],
        "owner-id" => vec![row.owner()],
        "private-dns-name" => vec![private_dns_name(row.private_ip(), region)],
        "private-ip-address" => vec![row.private_ip().to_string()],
        "requester-id" => row.requester.iter().cloned().collect(),
        "requester-managed" => flag(row.requester.is_some()),
        "source-dest-check" => flag(row.source_dest_check),
        "status" => {
            let status = if row.attachment.is_some() { "in-use" } else { "available" };
            vec![status.to_owned()]
        }
        "subnet-id" => vec![row.subnet.clone()],
        "vpc-id" => vec![row.vpc.clone()],
        "addresses.association.carrier-ip"
        | "addresses.association.customer-owned-ip"
        | "association.public-dns-name"
        | "attachment.instance-id"
        | "attachment.nat-gateway-id"
        | "ipv6-addresses.ipv6-address" => Vec::new(),
        _ => return None,
    })
}

/// An interface that customers may change: not one that a service manages.
pub(super) fn find_own(tx: &Tx, call: &Call, id: &str) -> Result<InterfaceRow, AwsError> {
    let row = InterfaceRow::find(tx, &place_of(call), id)?;
    match row.requester {
        Some(_) => Err(crate::refusal::not_permitted(
            "You are not allowed to manage this network interface.",
        )),
        None => Ok(InterfaceRow::clone(&row)),
    }
}

impl Command<DeleteNetworkInterface> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteNetworkInterfaceRequest,
    ) -> Answer<DeleteNetworkInterface> {
        settle(tx, &place_of(call));
        let id = &input.network_interface_id;
        let row = InterfaceRow::find(tx, &place_of(call), id)?;
        if row.attachment.is_some() {
            let text = format!("Network interface '{id}' is currently in use.");
            return Err(refuse("InvalidNetworkInterface.InUse", text));
        }
        remove(tx, &row.key);
        Ok(DeleteNetworkInterfaceOutput {})
    }
}
