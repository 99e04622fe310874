//! Network interfaces: changing them.

use haar_ec2_contract::{
    AssignPrivateIpAddresses, AssignPrivateIpAddressesRequest, AssignPrivateIpAddressesResult,
    AssignedPrivateIpAddress, AttributeBooleanValue, AttributeValue,
    DescribeNetworkInterfaceAttribute, DescribeNetworkInterfaceAttributeRequest,
    DescribeNetworkInterfaceAttributeResult, ModifyNetworkInterfaceAttribute,
    ModifyNetworkInterfaceAttributeOutput, ModifyNetworkInterfaceAttributeRequest,
    NetworkInterfaceAttribute, ResetNetworkInterfaceAttribute,
    ResetNetworkInterfaceAttributeOutput, ResetNetworkInterfaceAttributeRequest,
    UnassignPrivateIpAddresses, UnassignPrivateIpAddressesOutput,
    UnassignPrivateIpAddressesRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use super::interface::{add_addresses, find_own, groups_in};
use crate::listing::place_of;
use crate::refusal::{combination, invalid, missing, unsupported};
use crate::state::{InterfaceRow, Resource, SubnetRow};
use crate::world::{seen, settle};
use crate::{Ec2, render};

impl Query<DescribeNetworkInterfaceAttribute> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeNetworkInterfaceAttributeRequest,
    ) -> Answer<DescribeNetworkInterfaceAttribute> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        let row = InterfaceRow::find(&snapshot, &place, &input.network_interface_id)?;
        let shown = render::interface(&snapshot, &row);
        let mut output = DescribeNetworkInterfaceAttributeResult {
            network_interface_id: shown.network_interface_id,
            ..Default::default()
        };
        match input.attribute.ok_or_else(|| missing("attribute"))? {
            NetworkInterfaceAttribute::Description => {
                output.description = Some(AttributeValue { value: shown.description });
            }
            NetworkInterfaceAttribute::GroupSet => output.groups = shown.groups,
            NetworkInterfaceAttribute::SourceDestCheck => {
                output.source_dest_check =
                    Some(AttributeBooleanValue { value: shown.source_dest_check });
            }
            NetworkInterfaceAttribute::Attachment => output.attachment = shown.attachment,
            NetworkInterfaceAttribute::AssociatePublicIpAddress => {
                output.associate_public_ip_address = Some(shown.association.is_some());
            }
        }
        Ok(output)
    }
}

impl Command<ModifyNetworkInterfaceAttribute> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ModifyNetworkInterfaceAttributeRequest,
    ) -> Answer<ModifyNetworkInterfaceAttribute> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row = find_own(tx, call, &input.network_interface_id)?;
        if input.attachment.is_some() || input.associate_public_ip_address.is_some() {
            return Err(unsupported("an interface's attachment to an instance"));
        }
        let groups = input.groups.filter(|groups| !groups.is_empty());
        let given =
            [input.description.is_some(), input.source_dest_check.is_some(), groups.is_some()];
        match given.iter().filter(|given| **given).count() {
            0 => return Err(missing("attribute")),
            1 => {}
            _ => return Err(combination("Fields for multiple attribute types specified")),
        }
        if let Some(description) = input.description {
            row.description = description.value.unwrap_or_default();
        }
        if let Some(check) = input.source_dest_check {
            row.source_dest_check = check.value.unwrap_or(row.source_dest_check);
        }
        if let Some(groups) = groups {
            let subnet = SubnetRow::find(tx, &place, &row.subnet)?;
            row.groups = groups_in(tx, &subnet, groups)?;
        }
        tx.put(row);
        Ok(ModifyNetworkInterfaceAttributeOutput {})
    }
}

impl Command<ResetNetworkInterfaceAttribute> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ResetNetworkInterfaceAttributeRequest,
    ) -> Answer<ResetNetworkInterfaceAttribute> {
        settle(tx, &place_of(call));
        let mut row = find_own(tx, call, &input.network_interface_id)?;
        row.source_dest_check = true;
        tx.put(row);
        Ok(ResetNetworkInterfaceAttributeOutput {})
    }
}

impl Command<AssignPrivateIpAddresses> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AssignPrivateIpAddressesRequest,
    ) -> Answer<AssignPrivateIpAddresses> {
        let place = place_of(call);
        settle(tx, &place);
        if input.ipv4_prefix_count.is_some() || input.ipv4_prefixes.is_some() {
            return Err(unsupported("a prefix of an interface"));
        }
        let row = find_own(tx, call, &input.network_interface_id)?;
        let subnet = SubnetRow::find(tx, &place, &row.subnet)?;
        let wanted = input.private_ip_addresses.unwrap_or_default();
        let count = input.secondary_private_ip_address_count.unwrap_or(0);
        match (wanted.is_empty(), count > 0) {
            (true, false) => return Err(missing("privateIpAddress")),
            (false, true) => {
                let text = "The parameters privateIpAddress and secondaryPrivateIpAddressCount \
                            may not be used together";
                return Err(combination(text));
            }
            _ => {}
        }
        let before = row.addresses.len();
        let row = add_addresses(tx, &subnet, row, &wanted, count)?;
        let added = row.addresses[before..].iter().map(|own| AssignedPrivateIpAddress {
            private_ip_address: Some(own.private_ip.to_string()),
        });
        Ok(AssignPrivateIpAddressesResult {
            network_interface_id: Some(row.id().to_owned()),
            assigned_private_ip_addresses: Some(added.collect()),
            assigned_ipv4_prefixes: None,
        })
    }
}

impl Command<UnassignPrivateIpAddresses> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UnassignPrivateIpAddressesRequest,
    ) -> Answer<UnassignPrivateIpAddresses> {
        settle(tx, &place_of(call));
        let mut row = find_own(tx, call, &input.network_interface_id)?;
        for text in input.private_ip_addresses.unwrap_or_default() {
            let at = row.addresses.iter().position(|own| own.private_ip.to_string() == text);
            match at {
                Some(0) => {
                    let text =
                        "The primary private IP address of an interface cannot be unassigned";
                    return Err(invalid(text));
                }
                Some(at) if row.addresses[at].association.is_some() => {
                    let text = format!("Address {text} has an elastic address associated");
                    return Err(invalid(text));
                }
                Some(at) => {
                    row.addresses.remove(at);
                }
                None => {
                    let id = row.id();
                    let text = format!("Some of [{text}] are not assigned to interface {id}");
                    return Err(invalid(text));
                }
            }
        }
        tx.put(row);
        Ok(UnassignPrivateIpAddressesOutput {})
    }
}
