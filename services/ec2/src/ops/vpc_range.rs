//! The ranges of a VPC, and its DHCP options.

use std::sync::Arc;

use haar_ec2_contract::peek::{Ipv4Range, Place};
use haar_ec2_contract::{
    AssociateDhcpOptions, AssociateDhcpOptionsOutput, AssociateDhcpOptionsRequest,
    AssociateVpcCidrBlock, AssociateVpcCidrBlockRequest, AssociateVpcCidrBlockResult,
    DisassociateVpcCidrBlock, DisassociateVpcCidrBlockRequest, DisassociateVpcCidrBlockResult,
    VpcCidrBlockStateCode,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::vpc::vpc_range;
use crate::listing::place_of;
use crate::refusal::{missing, not_permitted, refuse, unsupported};
use crate::rules::{mint, overlaps, within};
use crate::state::{CidrAssociation, DhcpOptionsRow, Resource, SubnetRow, VpcRow};
use crate::world::settle;
use crate::{Ec2, render};

/// Ranges of a VPC at most.
const RANGES_MAX: usize = 5;

impl Command<AssociateVpcCidrBlock> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AssociateVpcCidrBlockRequest,
    ) -> Answer<AssociateVpcCidrBlock> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row = VpcRow::clone(&*VpcRow::find(tx, &place, &input.vpc_id)?);
        if input.amazon_provided_ipv6_cidr_block == Some(true) || input.ipv6_cidr_block.is_some() {
            return Err(unsupported("IPv6 in VPCs"));
        }
        let text = input.cidr_block.ok_or_else(|| missing("cidrBlock"))?;
        let range = vpc_range(&text)?;
        check(&row, range)?;
        let association = CidrAssociation::new(mint(&call.ids, "vpc-cidr-assoc"), range);
        let shown = render::cidr_association(&association, VpcCidrBlockStateCode::Associating);
        row.ranges.push(association);
        tx.put(row);
        Ok(AssociateVpcCidrBlockResult {
            ipv6_cidr_block_association: None,
            cidr_block_association: Some(shown),
            vpc_id: Some(input.vpc_id),
        })
    }
}

fn check(row: &VpcRow, range: Ipv4Range) -> Result<(), AwsError> {
    if row.ranges.iter().any(|known| overlaps(known.range(), range)) {
        let text = format!("The CIDR '{range}' conflicts with another CIDR of the VPC.");
        return Err(refuse("InvalidVpc.Range", text));
    }
    if row.ranges.len() >= RANGES_MAX {
        let text = format!(
            "This network '{}' has met its maximum number of allowed CIDRs: {RANGES_MAX}",
            row.id()
        );
        return Err(refuse("CidrLimitExceeded", text));
    }
    Ok(())
}

/// The VPC that has a range.
pub(super) fn find_ranged(
    snapshot: &Snapshot,
    place: &Place,
    id: &str,
) -> Result<Arc<VpcRow>, AwsError> {
    let found = snapshot.by_index::<VpcRow>("range", id).find(|row| row.place() == *place);
    found.ok_or_else(|| {
        let text = format!("The vpc CIDR block association ID '{id}' does not exist");
        refuse("InvalidVpcCidrBlockAssociationID.NotFound", text)
    })
}

impl Command<DisassociateVpcCidrBlock> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DisassociateVpcCidrBlockRequest,
    ) -> Answer<DisassociateVpcCidrBlock> {
        let place = place_of(call);
        settle(tx, &place);
        let id = &input.association_id;
        let mut row = VpcRow::clone(&*find_ranged(tx, &place, id)?);
        let at = row.ranges.iter().position(|range| range.id == *id).unwrap_or(0);
        if at == 0 {
            let text = format!(
                "The vpc CIDR block with association ID {id} may not be \
                                disassociated. It is the primary IPv4 CIDR block of the VPC"
            );
            return Err(not_permitted(text));
        }
        let association = row.ranges.remove(at);
        let vpc = row.id().to_owned();
        let mut subnets = tx.by_index::<SubnetRow>("vpc", &vpc);
        if subnets.any(|subnet| within(subnet.range(), association.range())) {
            let range = association.range();
            let text = format!("The vpc CIDR block '{range}' is in use and cannot be removed.");
            return Err(refuse("InvalidCidrBlock.InUse", text));
        }
        drop(subnets);
        tx.put(row);
        let state = VpcCidrBlockStateCode::Disassociating;
        Ok(DisassociateVpcCidrBlockResult {
            ipv6_cidr_block_association: None,
            cidr_block_association: Some(render::cidr_association(&association, state)),
            vpc_id: Some(vpc),
        })
    }
}

impl Command<AssociateDhcpOptions> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AssociateDhcpOptionsRequest,
    ) -> Answer<AssociateDhcpOptions> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row = VpcRow::clone(&*VpcRow::find(tx, &place, &input.vpc_id)?);
        row.dhcp_options = match input.dhcp_options_id.as_str() {
            "default" => None,
            id => Some(DhcpOptionsRow::find(tx, &place, id)?.id().to_owned()),
        };
        tx.put(row);
        Ok(AssociateDhcpOptionsOutput {})
    }
}
