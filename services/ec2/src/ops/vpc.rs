//! VPCs.

use haar_ec2_contract::peek::{Ipv4Range, Place};
use haar_ec2_contract::{
    AttributeBooleanValue, CreateDefaultVpc, CreateDefaultVpcRequest, CreateDefaultVpcResult,
    CreateVpc, CreateVpcRequest, CreateVpcResult, DeleteVpc, DeleteVpcOutput, DeleteVpcRequest,
    DescribeVpcAttribute, DescribeVpcAttributeRequest, DescribeVpcAttributeResult, DescribeVpcs,
    DescribeVpcsRequest, DescribeVpcsResult, ModifyVpcAttribute, ModifyVpcAttributeOutput,
    ModifyVpcAttributeRequest, ModifyVpcTenancy, ModifyVpcTenancyRequest, ModifyVpcTenancyResult,
    ResourceType, Tenancy, VpcAttributeName,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::listing::{ask, describe, place_of};
use crate::refusal::{combination, dependency, invalid, missing, refuse, unsupported};
use crate::rules::{flag, mint, parse_ipv4, specified_tags};
use crate::state::{
    CidrAssociation, EndpointRow, InterfaceRow, InternetGatewayRow, NatGatewayRow, NatState,
    NetworkAclRow, Resource, RouteTableRow, RuleRow, SecurityGroupRow, SubnetRow, VpcRow,
};
use crate::world::{default_dhcp, default_vpc, put_default_vpc, put_vpc, seen, settle};
use crate::{Ec2, render};

impl Command<CreateVpc> for Ec2 {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateVpcRequest) -> Answer<CreateVpc> {
        let place = place_of(call);
        settle(tx, &place);
        refuse_ipv6(&input)?;
        let tags = specified_tags(input.tag_specifications, ResourceType::Vpc)?;
        let text = input.cidr_block.ok_or_else(|| missing("cidrBlock"))?;
        let range = vpc_range(&text)?;
        let mint = |prefix: &str, _: &str| mint(&call.ids, prefix);
        let row = VpcRow {
            key: crate::state::key_of(&place, &mint("vpc", "")),
            ranges: vec![CidrAssociation::new(mint("vpc-cidr-assoc", ""), range)],
            is_default: false,
            dedicated: matches!(input.instance_tenancy, Some(Tenancy::Dedicated)),
            dns_support: true,
            dns_hostnames: false,
            usage_metrics: false,
            dhcp_options: default_dhcp(tx, &place),
            tags,
        };
        let vpc = Some(render::made_vpc(&row));
        put_vpc(tx, &place, row, &mint);
        Ok(CreateVpcResult { vpc })
    }
}

/// haar's networks speak IPv4.
fn refuse_ipv6(input: &CreateVpcRequest) -> Result<(), AwsError> {
    let ipv6 = input.amazon_provided_ipv6_cidr_block == Some(true)
        || input.ipv6_cidr_block.is_some()
        || input.ipv6_pool.is_some()
        || input.ipv6_ipam_pool_id.is_some();
    if ipv6 {
        return Err(unsupported("IPv6 in VPCs"));
    }
    match input.ipv4_ipam_pool_id {
        Some(_) => Err(unsupported("IPAM")),
        None => Ok(()),
    }
}

/// A range that a VPC may have: a netmask of 16 to 28 bits.
pub(super) fn vpc_range(text: &str) -> Result<Ipv4Range, AwsError> {
    let malformed = || {
        let text = format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a \
                            valid CIDR block."
        );
        invalid(text)
    };
    let range = parse_ipv4(text).ok_or_else(malformed)?;
    match range.prefix {
        16..=28 => Ok(range),
        _ => Err(refuse("InvalidVpc.Range", format!("The CIDR '{text}' is invalid."))),
    }
}

impl Command<CreateDefaultVpc> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        _input: CreateDefaultVpcRequest,
    ) -> Answer<CreateDefaultVpc> {
        let place = place_of(call);
        settle(tx, &place);
        if default_vpc(tx, &place).is_some() {
            let text = "A Default VPC already exists for this account in this region.";
            return Err(refuse("DefaultVpcAlreadyExists", text));
        }
        let dhcp = default_dhcp(tx, &place);
        let mint = |prefix: &str, _: &str| mint(&call.ids, prefix);
        let id = put_default_vpc(tx, &place, dhcp, &mint);
        Ok(CreateDefaultVpcResult { vpc: Some(render::made_vpc(&*VpcRow::find(tx, &place, &id)?)) })
    }
}

impl Query<DescribeVpcs> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeVpcsRequest,
    ) -> Answer<DescribeVpcs> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        let page = describe::<VpcRow>(&snapshot, &place, ask!(input, vpc_ids), says)?;
        let vpcs = Some(page.items.iter().map(|row| render::vpc(row)).collect());
        Ok(DescribeVpcsResult { next_token: page.next, vpcs })
    }
}

fn says(row: &VpcRow, name: &str) -> Option<Vec<String>> {
    let ranges = row.ranges.iter();
    Some(match name {
        "cidr" | "cidrBlock" | "cidr-block" => {
            ranges.take(1).map(|range| range.range().to_string()).collect()
        }
        "cidr-block-association.cidr-block" => {
            ranges.map(|range| range.range().to_string()).collect()
        }
        "cidr-block-association.association-id" => ranges.map(|range| range.id.clone()).collect(),
        "cidr-block-association.state" => vec!["associated".to_owned()],
        "dhcp-options-id" | "dhcpOptionsId" => {
            vec![row.dhcp_options.clone().unwrap_or_else(|| "default".to_owned())]
        }
        "is-default" | "isDefault" => flag(row.is_default),
        "owner-id" => vec![row.owner()],
        "state" => vec!["available".to_owned()],
        "vpc-id" => vec![row.id().to_owned()],
        "ipv6-cidr-block-association.ipv6-cidr-block"
        | "ipv6-cidr-block-association.ipv6-pool"
        | "ipv6-cidr-block-association.association-id"
        | "ipv6-cidr-block-association.state" => Vec::new(),
        _ => return None,
    })
}

impl Command<DeleteVpc> for Ec2 {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteVpcRequest) -> Answer<DeleteVpc> {
        let place = place_of(call);
        settle(tx, &place);
        let row = VpcRow::find(tx, &place, &input.vpc_id)?;
        if is_used(tx, row.id()) {
            return Err(dependency("vpc", row.id()));
        }
        remove_own(tx, &place, row.id());
        tx.remove::<VpcRow>(&row.key);
        Ok(DeleteVpcOutput {})
    }
}

/// Whether anything is in a VPC beside what it has from its first moment on.
fn is_used(tx: &Tx, vpc: &str) -> bool {
    tx.by_index::<SubnetRow>("vpc", vpc).next().is_some()
        || tx.by_index::<InternetGatewayRow>("vpc", vpc).next().is_some()
        || tx.by_index::<InterfaceRow>("vpc", vpc).next().is_some()
        || tx.by_index::<EndpointRow>("vpc", vpc).next().is_some()
        || tx.by_index::<NatGatewayRow>("vpc", vpc).any(|row| row.state < NatState::Deleted)
        || tx.by_index::<RouteTableRow>("vpc", vpc).any(|row| !row.is_main())
        || tx.by_index::<NetworkAclRow>("vpc", vpc).any(|row| !row.is_default)
        || tx.by_index::<SecurityGroupRow>("vpc", vpc).any(|row| row.name != "default")
}

fn remove_own(tx: &mut Tx, place: &Place, vpc: &str) {
    let groups: Vec<_> = tx.by_index::<SecurityGroupRow>("vpc", vpc).collect();
    for group in groups {
        let rules: Vec<_> = tx.by_index::<RuleRow>("group", group.id()).collect();
        for rule in rules {
            tx.remove::<RuleRow>(&rule.key);
        }
        tx.remove::<SecurityGroupRow>(&group.key);
    }
    let tables: Vec<_> = tx.by_index::<RouteTableRow>("vpc", vpc).collect();
    for table in tables {
        tx.remove::<RouteTableRow>(&table.key);
    }
    let acls: Vec<_> = tx.by_index::<NetworkAclRow>("vpc", vpc).collect();
    for acl in acls {
        tx.remove::<NetworkAclRow>(&acl.key);
    }
    debug_assert!(!is_used(tx, vpc), "{vpc} of {place:?} was empty");
}

impl Query<DescribeVpcAttribute> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeVpcAttributeRequest,
    ) -> Answer<DescribeVpcAttribute> {
        let place = place_of(call);
        let row = VpcRow::find(&seen(snapshot, &place), &place, &input.vpc_id)?;
        let value = |value: bool| Some(AttributeBooleanValue { value: Some(value) });
        let mut output =
            DescribeVpcAttributeResult { vpc_id: Some(input.vpc_id), ..Default::default() };
        match input.attribute {
            VpcAttributeName::EnableDnsSupport => {
                output.enable_dns_support = value(row.dns_support);
            }
            VpcAttributeName::EnableDnsHostnames => {
                output.enable_dns_hostnames = value(row.dns_hostnames);
            }
            VpcAttributeName::EnableNetworkAddressUsageMetrics => {
                output.enable_network_address_usage_metrics = value(row.usage_metrics);
            }
        }
        Ok(output)
    }
}

impl Command<ModifyVpcAttribute> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ModifyVpcAttributeRequest,
    ) -> Answer<ModifyVpcAttribute> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row = VpcRow::clone(&*VpcRow::find(tx, &place, &input.vpc_id)?);
        let value =
            |wanted: &Option<AttributeBooleanValue>| wanted.as_ref().and_then(|it| it.value);
        let wanted = [
            (value(&input.enable_dns_support), &mut row.dns_support),
            (value(&input.enable_dns_hostnames), &mut row.dns_hostnames),
            (value(&input.enable_network_address_usage_metrics), &mut row.usage_metrics),
        ];
        match wanted.iter().filter(|(value, _)| value.is_some()).count() {
            0 => return Err(missing("attribute")),
            1 => {}
            _ => {
                let text = "Fields for multiple attribute types specified";
                return Err(combination(text));
            }
        }
        for (value, kept) in wanted {
            *kept = value.unwrap_or(*kept);
        }
        tx.put(row);
        Ok(ModifyVpcAttributeOutput {})
    }
}

impl Command<ModifyVpcTenancy> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ModifyVpcTenancyRequest,
    ) -> Answer<ModifyVpcTenancy> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row = VpcRow::clone(&*VpcRow::find(tx, &place, &input.vpc_id)?);
        row.dedicated = false; // the model knows `default` alone
        tx.put(row);
        Ok(ModifyVpcTenancyResult { return_value: Some(true) })
    }
}
