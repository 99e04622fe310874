//! Network interfaces.

use haar_ec2_contract::{
    AttachmentStatus, GroupIdentifier, NetworkInterface, NetworkInterfaceAssociation,
    NetworkInterfaceAttachment, NetworkInterfacePrivateIpAddress, NetworkInterfaceStatus,
    NetworkInterfaceType, OperatorResponse,
};
use haar_ledger::Snapshot;

use crate::rules::{mac_of, private_dns_name, wire_tags, zone_id};
use crate::state::{
    Association, InterfaceRow, OwnAddress, Resource as _, SecurityGroupRow, VpcRow, key_of,
};

pub(crate) fn interface(snapshot: &Snapshot, row: &InterfaceRow) -> NetworkInterface {
    let vpc = snapshot.get::<VpcRow>(&key_of(&row.place(), &row.vpc));
    let names = vpc.is_some_and(|vpc| vpc.dns_support && vpc.dns_hostnames);
    let addresses = row.addresses.iter().enumerate();
    let addresses = addresses.map(|(index, address)| own_address(row, index == 0, names, address));
    let addresses: Vec<_> = addresses.collect();
    let first = addresses.first();
    let status = match row.attachment {
        Some(_) => NetworkInterfaceStatus::InUse,
        None => NetworkInterfaceStatus::Available,
    };
    NetworkInterface {
        association: first.and_then(|address| address.association.clone()),
        attachment: row.attachment.as_ref().map(|it| attachment(row, it)),
        availability_zone: Some(row.zone.clone()),
        availability_zone_id: Some(zone_id(&row.zone)),
        description: Some(row.description.clone()),
        groups: Some(group_identifiers(snapshot, row)),
        interface_type: Some(row.kind.parse().unwrap_or(NetworkInterfaceType::Interface)),
        ipv6_addresses: Some(Vec::new()),
        mac_address: Some(mac_of(row.private_ip())),
        network_interface_id: Some(row.id().to_owned()),
        owner_id: Some(row.owner()),
        private_dns_name: first.and_then(|address| address.private_dns_name.clone()),
        private_ip_address: Some(row.private_ip().to_string()),
        private_ip_addresses: Some(addresses),
        requester_id: row.requester.clone(),
        requester_managed: Some(row.requester.is_some()),
        source_dest_check: Some(row.source_dest_check),
        status: Some(status),
        subnet_id: Some(row.subnet.clone()),
        tag_set: wire_tags(&row.tags),
        vpc_id: Some(row.vpc.clone()),
        operator: Some(OperatorResponse { managed: Some(false), ..OperatorResponse::default() }),
        ..NetworkInterface::default()
    }
}

fn own_address(
    row: &InterfaceRow,
    is_primary: bool,
    names: bool,
    address: &OwnAddress,
) -> NetworkInterfacePrivateIpAddress {
    let region = row.key.1.as_str();
    let name = private_dns_name(address.private_ip, region);
    NetworkInterfacePrivateIpAddress {
        association: address.association.as_ref().map(|it| association(row, it)),
        primary: Some(is_primary),
        private_dns_name: names.then_some(name),
        private_ip_address: Some(address.private_ip.to_string()),
    }
}

fn association(row: &InterfaceRow, it: &Association) -> NetworkInterfaceAssociation {
    let owner = if it.elastic.is_some() { row.owner() } else { "amazon".to_owned() };
    NetworkInterfaceAssociation {
        allocation_id: it.elastic.as_ref().map(|(_, allocation)| allocation.clone()),
        association_id: it.elastic.as_ref().map(|(association, _)| association.clone()),
        ip_owner_id: Some(owner),
        public_ip: Some(it.public_ip.to_string()),
        ..NetworkInterfaceAssociation::default()
    }
}

fn attachment(
    row: &InterfaceRow,
    (id, at): &(String, haar_types::Timestamp),
) -> NetworkInterfaceAttachment {
    NetworkInterfaceAttachment {
        attach_time: Some(*at),
        attachment_id: Some(id.clone()),
        delete_on_termination: Some(false),
        device_index: Some(1),
        network_card_index: Some(0),
        instance_owner_id: row.requester.clone(),
        status: Some(AttachmentStatus::Attached),
        ..NetworkInterfaceAttachment::default()
    }
}

pub(crate) fn group_identifiers(snapshot: &Snapshot, row: &InterfaceRow) -> Vec<GroupIdentifier> {
    let place = row.place();
    let name = |id: &String| {
        let group = snapshot.get::<SecurityGroupRow>(&key_of(&place, id));
        group.map(|group| group.name.clone())
    };
    let identifier =
        |id: &String| GroupIdentifier { group_id: Some(id.clone()), group_name: name(id) };
    row.groups.iter().map(identifier).collect()
}
