//! NAT gateways. Each holds an interface and, when public, an elastic address; haar's host
//! translates addresses for all VPCs alike.

use haar_ec2_contract::{
    ConnectivityType, CreateNatGateway, CreateNatGatewayRequest, CreateNatGatewayResult,
    DeleteNatGateway, DeleteNatGatewayRequest, DeleteNatGatewayResult, DescribeNatGateways,
    DescribeNatGatewaysRequest, DescribeNatGatewaysResult, ResourceType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;

use super::address::{link, unlink};
use super::interface::{Blank, put_interface};
use crate::interfaces::remove;
use crate::listing::{Ask, describe, place_of};
use crate::refusal::{combination, missing, refuse, unsupported};
use crate::rules::{mint, specified_tags};
use crate::state::{
    AddressRow, InternetGatewayRow, NatGatewayRow, NatState, Resource, SubnetRow, key_of,
};
use crate::world::{seen, settle};
use crate::{Ec2, render};

impl Command<CreateNatGateway> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateNatGatewayRequest,
    ) -> Answer<CreateNatGateway> {
        let place = place_of(call);
        settle(tx, &place);
        let tags = specified_tags(input.tag_specifications, ResourceType::Natgateway)?;
        if input.secondary_allocation_ids.is_some()
            || input.secondary_private_ip_addresses.is_some()
            || input.secondary_private_ip_address_count.is_some()
        {
            return Err(unsupported("a NAT gateway with several addresses"));
        }
        let id = input.subnet_id.ok_or_else(|| missing("subnetId"))?;
        let subnet = SubnetRow::find(tx, &place, &id)?;
        let is_public = input.connectivity_type != Some(ConnectivityType::Private);
        let address = match (is_public, &input.allocation_id) {
            (true, Some(id)) => Some(AddressRow::find(tx, &place, id)?),
            (true, None) => return Err(missing("AllocationId")),
            (false, None) => None,
            (false, Some(_)) => {
                let text = "The parameter allocationId may not be used with a private NAT gateway";
                return Err(combination(text));
            }
        };
        if let Some(address) = address.as_ref().filter(|address| address.association.is_some()) {
            let text = format!("Elastic IP address [{}] is already associated", address.id());
            return Err(refuse("Resource.AlreadyAssociated", text));
        }
        if is_public && tx.by_index::<InternetGatewayRow>("vpc", &subnet.vpc).next().is_none() {
            let text = format!("Network {} has no Internet gateway attached", subnet.vpc);
            return Err(refuse("Gateway.NotAttached", text));
        }
        let id = mint(&call.ids, "nat");
        let blank = Blank {
            kind: "natGateway",
            description: format!("Interface for NAT Gateway {id}"),
            requester: Some("amazon-aws"),
            private_ip: input.private_ip_address,
            groups: Vec::new(),
            tags: Tags::new(),
        };
        let interface = put_interface(call, tx, &subnet, blank)?;
        if let Some(address) = &address {
            let association = mint(&call.ids, "eipassoc");
            link(tx, address, &interface, interface.private_ip(), &association);
        }
        let row = NatGatewayRow {
            key: key_of(&place, &id),
            vpc: subnet.vpc.clone(),
            subnet: subnet.id().to_owned(),
            is_public,
            created_at: call.now,
            deleted_at: None,
            state: NatState::Pending,
            interface: interface.id().to_owned(),
            private_ip: interface.private_ip(),
            allocation: address.as_ref().map(|address| address.id().to_owned()),
            public_ip: address.as_ref().map(|address| address.public_ip),
            tags,
        };
        let nat_gateway = Some(render::nat_gateway(tx, &row));
        tx.put(row);
        Ok(CreateNatGatewayResult { client_token: input.client_token, nat_gateway })
    }
}

impl Query<DescribeNatGateways> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeNatGatewaysRequest,
    ) -> Answer<DescribeNatGateways> {
        let place = place_of(call);
        let snapshot = &seen(snapshot, &place);
        let ask = Ask {
            ids: input.nat_gateway_ids.unwrap_or_default(),
            filters: input.filter,
            max_results: input.max_results,
            next_token: input.next_token,
            whole: false,
        };
        let page = describe::<NatGatewayRow>(snapshot, &place, ask, |row, name| {
            Some(match name {
                "nat-gateway-id" => vec![row.id().to_owned()],
                "state" => vec![state_name(row.state).to_owned()],
                "subnet-id" => vec![row.subnet.clone()],
                "vpc-id" => vec![row.vpc.clone()],
                _ => return None,
            })
        })?;
        let gateways = page.items.iter().map(|row| render::nat_gateway(snapshot, row));
        Ok(DescribeNatGatewaysResult {
            nat_gateways: Some(gateways.collect()),
            next_token: page.next,
        })
    }
}

fn state_name(state: NatState) -> &'static str {
    match state {
        NatState::Pending => "pending",
        NatState::Available => "available",
        NatState::Deleting => "deleting",
        NatState::Deleted => "deleted",
    }
}

impl Command<DeleteNatGateway> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteNatGatewayRequest,
    ) -> Answer<DeleteNatGateway> {
        let place = place_of(call);
        settle(tx, &place);
        let row = NatGatewayRow::find(tx, &place, &input.nat_gateway_id)?;
        if row.state < NatState::Deleting {
            if let Some(id) = &row.allocation
                && let Some(address) = tx.get::<AddressRow>(&key_of(&place, id))
            {
                unlink(tx, &address);
            }
            remove(tx, &key_of(&place, &row.interface));
            tx.update::<NatGatewayRow>(&row.key, |row| row.state = NatState::Deleting);
        }
        Ok(DeleteNatGatewayResult { nat_gateway_id: Some(input.nat_gateway_id) })
    }
}
