//! Internet gateways.

use haar_ec2_contract::{
    AttachInternetGateway, AttachInternetGatewayOutput, AttachInternetGatewayRequest,
    CreateInternetGateway, CreateInternetGatewayRequest, CreateInternetGatewayResult,
    DeleteInternetGateway, DeleteInternetGatewayOutput, DeleteInternetGatewayRequest,
    DescribeInternetGateways, DescribeInternetGatewaysRequest, DescribeInternetGatewaysResult,
    DetachInternetGateway, DetachInternetGatewayOutput, DetachInternetGatewayRequest, ResourceType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use crate::listing::{ask, describe, place_of};
use crate::refusal::{dependency, refuse};
use crate::rules::{mint, specified_tags};
use crate::state::{InterfaceRow, InternetGatewayRow, Resource, VpcRow, key_of};
use crate::world::{seen, settle};
use crate::{Ec2, render};

impl Command<CreateInternetGateway> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateInternetGatewayRequest,
    ) -> Answer<CreateInternetGateway> {
        let place = place_of(call);
        settle(tx, &place);
        let tags = specified_tags(input.tag_specifications, ResourceType::InternetGateway)?;
        let key = key_of(&place, &mint(&call.ids, "igw"));
        let row = InternetGatewayRow { key, vpc: None, tags };
        let internet_gateway = Some(render::internet_gateway(&row));
        tx.put(row);
        Ok(CreateInternetGatewayResult { internet_gateway })
    }
}

impl Query<DescribeInternetGateways> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeInternetGatewaysRequest,
    ) -> Answer<DescribeInternetGateways> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        let ask = ask!(input, internet_gateway_ids);
        let page = describe::<InternetGatewayRow>(&snapshot, &place, ask, |row, name| {
            Some(match name {
                "attachment.state" => row.vpc.iter().map(|_| "available".to_owned()).collect(),
                "attachment.vpc-id" => row.vpc.iter().cloned().collect(),
                "internet-gateway-id" => vec![row.id().to_owned()],
                "owner-id" => vec![row.owner()],
                _ => return None,
            })
        })?;
        let gateways = page.items.iter().map(|row| render::internet_gateway(row));
        Ok(DescribeInternetGatewaysResult {
            internet_gateways: Some(gateways.collect()),
            next_token: page.next,
        })
    }
}

impl Command<AttachInternetGateway> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AttachInternetGatewayRequest,
    ) -> Answer<AttachInternetGateway> {
        let place = place_of(call);
        settle(tx, &place);
        let row = InternetGatewayRow::find(tx, &place, &input.internet_gateway_id)?;
        let vpc = VpcRow::find(tx, &place, &input.vpc_id)?;
        if row.vpc.is_some() {
            let (id, vpc) = (row.id(), row.vpc.as_deref().unwrap_or_default());
            let text = format!("resource {id} is already attached to network {vpc}");
            return Err(refuse("Resource.AlreadyAssociated", text));
        }
        if tx.by_index::<InternetGatewayRow>("vpc", vpc.id()).next().is_some() {
            let text = format!("Network {} already has an internet gateway attached", vpc.id());
            return Err(refuse("InvalidParameterValue", text));
        }
        tx.update::<InternetGatewayRow>(&row.key, |row| row.vpc = Some(vpc.id().to_owned()));
        Ok(AttachInternetGatewayOutput {})
    }
}

impl Command<DetachInternetGateway> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DetachInternetGatewayRequest,
    ) -> Answer<DetachInternetGateway> {
        let place = place_of(call);
        settle(tx, &place);
        let row = InternetGatewayRow::find(tx, &place, &input.internet_gateway_id)?;
        let (id, vpc) = (row.id(), &input.vpc_id);
        if row.vpc.as_ref() != Some(vpc) {
            let text = format!("resource {id} is not attached to network {vpc}");
            return Err(refuse("Gateway.NotAttached", text));
        }
        let is_public =
            |row: &InterfaceRow| row.addresses.iter().any(|address| address.association.is_some());
        if tx.by_index::<InterfaceRow>("vpc", vpc).any(|row| is_public(&row)) {
            let text = format!(
                "Network {vpc} has some mapped public address(es). Please unmap \
                                those public address(es) before detaching the gateway."
            );
            return Err(refuse("DependencyViolation", text));
        }
        tx.update::<InternetGatewayRow>(&row.key, |row| row.vpc = None);
        Ok(DetachInternetGatewayOutput {})
    }
}

impl Command<DeleteInternetGateway> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteInternetGatewayRequest,
    ) -> Answer<DeleteInternetGateway> {
        let place = place_of(call);
        settle(tx, &place);
        let row = InternetGatewayRow::find(tx, &place, &input.internet_gateway_id)?;
        if row.vpc.is_some() {
            return Err(dependency("internetGateway", row.id()));
        }
        tx.remove::<InternetGatewayRow>(&row.key);
        Ok(DeleteInternetGatewayOutput {})
    }
}
