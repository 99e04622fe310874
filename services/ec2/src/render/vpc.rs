//! VPCs and subnets.

use haar_ec2_contract::{
    BlockPublicAccessMode, BlockPublicAccessStates, HostnameType, PrivateDnsNameOptionsOnLaunch,
    Subnet, SubnetState, Tenancy, Vpc, VpcCidrBlockAssociation, VpcCidrBlockState,
    VpcCidrBlockStateCode, VpcState,
};
use haar_ledger::Snapshot;

use crate::interfaces::available;
use crate::rules::{wire_tags, zone_id};
use crate::state::{CidrAssociation, Resource as _, SubnetRow, VpcRow};

/// A VPC as who makes it is told of it: AWS makes it after the answer, so its maker waits for it.
/// That it has no IPv6 is told then alone.
pub(crate) fn made_vpc(row: &VpcRow) -> Vpc {
    Vpc {
        state: Some(VpcState::Pending),
        ipv6_cidr_block_association_set: Some(Vec::new()),
        ..vpc(row)
    }
}

pub(crate) fn vpc(row: &VpcRow) -> Vpc {
    let tenancy = if row.dedicated { Tenancy::Dedicated } else { Tenancy::Default };
    let ranges = row.ranges.iter();
    Vpc {
        owner_id: Some(row.owner()),
        instance_tenancy: Some(tenancy),
        cidr_block_association_set: Some(
            ranges
                .map(|range| cidr_association(range, VpcCidrBlockStateCode::Associated))
                .collect(),
        ),
        is_default: Some(row.is_default),
        tags: wire_tags(&row.tags),
        block_public_access_states: Some(nothing_blocked()),
        vpc_id: Some(row.id().to_owned()),
        state: Some(VpcState::Available),
        cidr_block: row.ranges.first().map(|range| range.range().to_string()),
        dhcp_options_id: Some(row.dhcp_options.clone().unwrap_or_else(|| "default".to_owned())),
        ..Vpc::default()
    }
}

fn nothing_blocked() -> BlockPublicAccessStates {
    BlockPublicAccessStates { internet_gateway_block_mode: Some(BlockPublicAccessMode::Off) }
}

pub(crate) fn cidr_association(
    row: &CidrAssociation,
    state: VpcCidrBlockStateCode,
) -> VpcCidrBlockAssociation {
    VpcCidrBlockAssociation {
        association_id: Some(row.id.clone()),
        cidr_block: Some(row.range().to_string()),
        cidr_block_state: Some(VpcCidrBlockState { state: Some(state), status_message: None }),
    }
}

pub(crate) fn subnet(snapshot: &Snapshot, row: &SubnetRow) -> Subnet {
    let kind = if row.resource_names { HostnameType::ResourceName } else { HostnameType::IpName };
    Subnet {
        availability_zone_id: Some(zone_id(&row.zone)),
        map_customer_owned_ip_on_launch: Some(false),
        owner_id: Some(row.owner()),
        assign_ipv6_address_on_creation: Some(false),
        ipv6_cidr_block_association_set: Some(Vec::new()),
        tags: wire_tags(&row.tags),
        subnet_arn: Some(row.arn()),
        enable_dns64: Some(false),
        ipv6_native: Some(false),
        private_dns_name_options_on_launch: Some(PrivateDnsNameOptionsOnLaunch {
            hostname_type: Some(kind),
            enable_resource_name_dns_a_record: Some(row.a_records),
            enable_resource_name_dns_aaaa_record: Some(false),
        }),
        block_public_access_states: Some(nothing_blocked()),
        subnet_id: Some(row.id().to_owned()),
        state: Some(SubnetState::Available),
        vpc_id: Some(row.vpc.clone()),
        cidr_block: Some(row.range().to_string()),
        available_ip_address_count: i32::try_from(available(snapshot, row)).ok(),
        availability_zone: Some(row.zone.clone()),
        default_for_az: Some(row.default_for_az),
        map_public_ip_on_launch: Some(row.map_public_ip),
        ..Subnet::default()
    }
}
