//! Elastic addresses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    AddressAttribute, AllocateAddress, AllocateAddressRequest, AllocateAddressResult,
    AssociateAddress, AssociateAddressRequest, AssociateAddressResult, DescribeAddresses,
    DescribeAddressesAttribute, DescribeAddressesAttributeRequest,
    DescribeAddressesAttributeResult, DescribeAddressesRequest, DescribeAddressesResult,
    DisassociateAddress, DisassociateAddressOutput, DisassociateAddressRequest, DomainType,
    ReleaseAddress, ReleaseAddressOutput, ReleaseAddressRequest, ResourceType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::interfaces::public_address;
use crate::listing::{Ask, cut_at, describe, page_up_to, place_of};
use crate::refusal::{invalid, missing, refuse, unsupported};
use crate::rules::{mint, specified_tags};
use crate::state::{AddressRow, Association, InterfaceRow, Resource, key_of, rows_of};
use crate::world::{seen, settle};
use crate::{Ec2, render};

/// The pool that addresses come from which are nobody's own.
const AMAZONS_POOL: &str = "amazon";
/// Most addresses on a page of their attributes.
const ATTRIBUTES_PAGE: usize = 1000;

impl Command<AllocateAddress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AllocateAddressRequest,
    ) -> Answer<AllocateAddress> {
        let place = place_of(call);
        settle(tx, &place);
        if input.address.is_some() || input.ipam_pool_id.is_some() {
            return Err(unsupported("an address of the customer's choice"));
        }
        if input.customer_owned_ipv4_pool.is_some() {
            return Err(unsupported("an address of an Outpost's pool"));
        }
        if let Some(pool) = input.public_ipv4_pool.filter(|pool| pool != AMAZONS_POOL) {
            let text = format!("The pool ID '{pool}' does not exist");
            return Err(refuse("InvalidPublicIpv4PoolID.NotFound", text));
        }
        if let Some(group) = input.network_border_group.filter(|it| *it != place.region.as_str()) {
            let text = format!("Value ({group}) for parameter NetworkBorderGroup is invalid.");
            return Err(invalid(text));
        }
        let tags = specified_tags(input.tag_specifications, ResourceType::ElasticIp)?;
        let full = || refuse("AddressLimitExceeded", "Too many addresses allocated");
        let public_ip = public_address(tx, || call.ids.draw()).ok_or_else(full)?;
        let row = AddressRow {
            key: key_of(&place, &mint(&call.ids, "eipalloc")),
            public_ip,
            interface: None,
            private_ip: None,
            association: None,
            tags,
        };
        let output = AllocateAddressResult {
            allocation_id: Some(row.id().to_owned()),
            public_ipv4_pool: Some(AMAZONS_POOL.to_owned()),
            network_border_group: Some(place.region.to_string()),
            domain: Some(DomainType::Vpc),
            public_ip: Some(public_ip.to_string()),
            ..AllocateAddressResult::default()
        };
        tx.put(row);
        Ok(output)
    }
}

/// The address that a request names by its allocation or by itself.
pub(super) fn find_address(
    snapshot: &Snapshot,
    place: &Place,
    allocation: Option<&str>,
    public_ip: Option<&str>,
) -> Result<Arc<AddressRow>, AwsError> {
    match (allocation, public_ip) {
        (Some(id), _) => AddressRow::find(snapshot, place, id),
        (None, Some(text)) => {
            let mut rows = snapshot.by_index::<AddressRow>("public_ip", text);
            let found = rows.find(|row| row.place() == *place);
            let missing = || format!("Address '{text}' not found.");
            found.ok_or_else(|| refuse("InvalidAddress.NotFound", missing()))
        }
        (None, None) => Err(missing("AllocationId")),
    }
}

/// The address that has an association.
pub(super) fn find_associated(
    snapshot: &Snapshot,
    place: &Place,
    id: &str,
) -> Result<Arc<AddressRow>, AwsError> {
    let mut rows = snapshot.by_index::<AddressRow>("association", id);
    let found = rows.find(|row| row.place() == *place);
    let missing = || format!("The association ID '{id}' does not exist");
    found.ok_or_else(|| refuse("InvalidAssociationID.NotFound", missing()))
}

impl Command<AssociateAddress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AssociateAddressRequest,
    ) -> Answer<AssociateAddress> {
        let place = place_of(call);
        settle(tx, &place);
        if input.instance_id.is_some() {
            return Err(unsupported("an instance's address"));
        }
        let allocation = input.allocation_id.as_deref();
        let address = find_address(tx, &place, allocation, input.public_ip.as_deref())?;
        let id = input.network_interface_id.ok_or_else(|| missing("NetworkInterfaceId"))?;
        let interface = InterfaceRow::find(tx, &place, &id)?;
        let wanted = input.private_ip_address.as_deref();
        let at = match wanted {
            Some(text) => {
                interface.addresses.iter().position(|own| own.private_ip.to_string() == text)
            }
            None => Some(0),
        };
        let at = at.ok_or_else(|| {
            let text = wanted.unwrap_or_default();
            invalid(format!("Invalid address: {text} is not assigned to interface {id}"))
        })?;
        let may_move = input.allow_reassociation == Some(true);
        let is_there = address.interface.as_ref() == Some(&id);
        if address.association.is_some() && !may_move && !is_there {
            let text = format!(
                "resource {} is already associated with associate-id {}",
                address.id(),
                address.association.as_deref().unwrap_or_default()
            );
            return Err(refuse("Resource.AlreadyAssociated", text));
        }
        unlink(tx, &address);
        let own = interface.addresses[at].private_ip;
        let old = InterfaceRow::find(tx, &place, &id)?.addresses[at].association.clone();
        if let Some((_, allocation)) = old.and_then(|old| old.elastic) {
            if !may_move {
                let text = format!("resource {id} is already associated with {allocation}");
                return Err(refuse("Resource.AlreadyAssociated", text));
            }
            unlink(tx, &*AddressRow::find(tx, &place, &allocation)?);
        }
        let association = mint(&call.ids, "eipassoc");
        link(tx, &address, &interface, own, &association);
        Ok(AssociateAddressResult { association_id: Some(association) })
    }
}

/// Lets an elastic address stand for an interface's own.
pub(super) fn link(
    tx: &mut Tx,
    address: &AddressRow,
    interface: &InterfaceRow,
    own: Ipv4Addr,
    association: &str,
) {
    tx.update::<AddressRow>(&address.key, |row| {
        row.interface = Some(interface.id().to_owned());
        row.private_ip = Some(own);
        row.association = Some(association.to_owned());
    });
    let elastic = Some((association.to_owned(), address.id().to_owned()));
    let shown = Association { public_ip: address.public_ip, elastic };
    tx.update::<InterfaceRow>(&interface.key, |row| {
        for known in row.addresses.iter_mut().filter(|known| known.private_ip == own) {
            known.association = Some(shown.clone());
        }
    });
}

/// Lets an elastic address stand for nothing.
pub(super) fn unlink(tx: &mut Tx, address: &AddressRow) {
    if let Some(interface) = &address.interface {
        tx.update::<InterfaceRow>(&key_of(&address.place(), interface), |row| {
            for own in &mut row.addresses {
                let is_it = |known: &Association| known.public_ip == address.public_ip;
                if own.association.as_ref().is_some_and(is_it) {
                    own.association = None;
                }
            }
        });
    }
    tx.update::<AddressRow>(&address.key, |row| {
        (row.interface, row.private_ip, row.association) = (None, None, None);
    });
}

impl Command<DisassociateAddress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DisassociateAddressRequest,
    ) -> Answer<DisassociateAddress> {
        let place = place_of(call);
        settle(tx, &place);
        let address = match &input.association_id {
            Some(id) => find_associated(tx, &place, id)?,
            None => find_address(tx, &place, None, input.public_ip.as_deref())?,
        };
        unlink(tx, &address);
        Ok(DisassociateAddressOutput {})
    }
}

impl Command<ReleaseAddress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ReleaseAddressRequest,
    ) -> Answer<ReleaseAddress> {
        let place = place_of(call);
        settle(tx, &place);
        let allocation = input.allocation_id.as_deref();
        let address = find_address(tx, &place, allocation, input.public_ip.as_deref())?;
        if input.network_border_group.is_some_and(|it| it != place.region.as_str()) {
            let text = format!("Address '{}' not found.", address.public_ip);
            return Err(refuse("InvalidAddress.NotFound", text));
        }
        if address.association.is_some() {
            let text = format!("Address {} is in use.", address.public_ip);
            return Err(refuse("InvalidIPAddress.InUse", text));
        }
        tx.remove::<AddressRow>(&address.key);
        Ok(ReleaseAddressOutput {})
    }
}

impl Query<DescribeAddresses> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeAddressesRequest,
    ) -> Answer<DescribeAddresses> {
        let place = place_of(call);
        let mut ids = input.allocation_ids.unwrap_or_default();
        for text in input.public_ips.unwrap_or_default() {
            ids.push(find_address(snapshot, &place, None, Some(&text))?.id().to_owned());
        }
        let ask = Ask { ids, filters: input.filters, whole: true, ..Ask::default() };
        let snapshot = &seen(snapshot, &place);
        let page = describe::<AddressRow>(snapshot, &place, ask, |row, name| {
            let text = |value: &Option<String>| value.iter().cloned().collect();
            Some(match name {
                "allocation-id" => vec![row.id().to_owned()],
                "association-id" => text(&row.association),
                "domain" => vec!["vpc".to_owned()],
                "instance-id" => Vec::new(),
                "network-border-group" => vec![place.region.to_string()],
                "network-interface-id" => text(&row.interface),
                "network-interface-owner-id" => row.interface.iter().map(|_| row.owner()).collect(),
                "private-ip-address" => row.private_ip.iter().map(Ipv4Addr::to_string).collect(),
                "public-ip" => vec![row.public_ip.to_string()],
                _ => return None,
            })
        })?;
        let addresses = page.items.iter().map(|row| render::address(snapshot, row));
        Ok(DescribeAddressesResult { addresses: Some(addresses.collect()) })
    }
}

impl Query<DescribeAddressesAttribute> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeAddressesAttributeRequest,
    ) -> Answer<DescribeAddressesAttribute> {
        let place = place_of(call);
        let mut wanted = BTreeMap::new();
        for id in input.allocation_ids.unwrap_or_default() {
            let row = AddressRow::find(snapshot, &place, &id)?;
            wanted.insert(id, row);
        }
        let mut wanted: Vec<_> = wanted.into_values().collect();
        if wanted.is_empty() {
            wanted = rows_of::<AddressRow>(snapshot, &place).collect();
        }
        let limit = page_up_to(ATTRIBUTES_PAGE, input.max_results);
        let key = |row: &Arc<AddressRow>| row.id().to_owned();
        let scope = format!("DescribeAddressesAttribute|{}|{}", place.account, place.region);
        let page = cut_at(wanted, &scope, limit, input.next_token, key)?;
        let attribute = |row: &Arc<AddressRow>| AddressAttribute {
            public_ip: Some(row.public_ip.to_string()),
            allocation_id: Some(row.id().to_owned()),
            ..AddressAttribute::default()
        };
        let addresses = Some(page.items.iter().map(attribute).collect());
        Ok(DescribeAddressesAttributeResult { addresses, next_token: page.next })
    }
}
