//! Subnets.

use haar_ec2_contract::peek::{Ipv4Range, Place};
use haar_ec2_contract::{
    CreateDefaultSubnet, CreateDefaultSubnetRequest, CreateDefaultSubnetResult, CreateSubnet,
    CreateSubnetRequest, CreateSubnetResult, DeleteSubnet, DeleteSubnetOutput, DeleteSubnetRequest,
    DescribeSubnets, DescribeSubnetsRequest, DescribeSubnetsResult, HostnameType,
    ModifySubnetAttribute, ModifySubnetAttributeOutput, ModifySubnetAttributeRequest, ResourceType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::interfaces::available;
use crate::listing::{ask, describe, place_of};
use crate::refusal::{dependency, invalid, missing, refuse, unsupported};
use crate::rules::{
    flag, mint, overlaps, parse_ipv4, specified_tags, within, zone_id, zone_named, zones,
};
use crate::state::{
    InterfaceRow, NetworkAclRow, Resource, RouteTableRow, SubnetRow, VpcRow, key_of, rows_of,
};
use crate::world::{default_subnet, default_vpc, put_subnet, seen, settle};
use crate::{Ec2, render};

impl Command<CreateSubnet> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateSubnetRequest,
    ) -> Answer<CreateSubnet> {
        let place = place_of(call);
        settle(tx, &place);
        if input.ipv6_cidr_block.is_some() || input.ipv6_native == Some(true) {
            return Err(unsupported("IPv6 in VPCs"));
        }
        if input.outpost_arn.is_some() {
            return Err(unsupported("AWS Outposts"));
        }
        let vpc = VpcRow::find(tx, &place, &input.vpc_id)?;
        let tags = specified_tags(input.tag_specifications, ResourceType::Subnet)?;
        let text = input.cidr_block.ok_or_else(|| missing("cidrBlock"))?;
        let range = free_range(tx, &vpc, &text)?;
        let zone = find_zone(
            &place,
            input.availability_zone.as_deref(),
            input.availability_zone_id.as_deref(),
        )?;
        let key = key_of(&place, &mint(&call.ids, "subnet"));
        let plain = default_subnet(key, vpc.id(), zone, range);
        let row = SubnetRow { default_for_az: false, map_public_ip: false, tags, ..plain };
        let subnet = Some(render::subnet(tx, &row));
        put_subnet(tx, &place, row, mint(&call.ids, "aclassoc"));
        Ok(CreateSubnetResult { subnet })
    }
}

/// A range of the VPC that no subnet has a share of.
fn free_range(tx: &Tx, vpc: &VpcRow, text: &str) -> Result<Ipv4Range, AwsError> {
    let malformed = || {
        let text = format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a \
                            valid CIDR block."
        );
        invalid(text)
    };
    let range = parse_ipv4(text).ok_or_else(malformed)?;
    let fits = vpc.ranges.iter().any(|outer| within(range, outer.range()));
    if !fits || !(16..=28).contains(&range.prefix) {
        return Err(refuse("InvalidSubnet.Range", format!("The CIDR '{text}' is invalid.")));
    }
    let mut others = tx.by_index::<SubnetRow>("vpc", vpc.id());
    match others.any(|other| overlaps(other.range(), range)) {
        true => {
            let text = format!("The CIDR '{text}' conflicts with another subnet");
            Err(refuse("InvalidSubnet.Conflict", text))
        }
        false => Ok(range),
    }
}

fn find_zone(place: &Place, name: Option<&str>, id: Option<&str>) -> Result<String, AwsError> {
    let region = place.region.as_str();
    let unknown = || {
        let (kind, named) = match (name, id) {
            (Some(name), _) => ("availabilityZone", name),
            _ => ("availabilityZoneId", id.unwrap_or_default()),
        };
        let known = match name {
            Some(_) => zones(region),
            None => zones(region).iter().map(|zone| zone_id(zone)).collect(),
        };
        invalid(format!(
            "Value ({named}) for parameter {kind} is invalid. Subnets can currently only be \
             created in the following availability zones: {}.",
            known.join(", ")
        ))
    };
    zone_named(region, name, id).ok_or_else(unknown)
}

impl Command<CreateDefaultSubnet> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateDefaultSubnetRequest,
    ) -> Answer<CreateDefaultSubnet> {
        let place = place_of(call);
        settle(tx, &place);
        let (name, id) =
            (input.availability_zone.as_deref(), input.availability_zone_id.as_deref());
        if name.is_none() && id.is_none() {
            return Err(missing("availabilityZone"));
        }
        let zone = find_zone(&place, name, id)?;
        let Some(vpc) = default_vpc(tx, &place) else {
            let text = "No default VPC exists for this account in this region.";
            return Err(refuse("DefaultVpcDoesNotExist", text));
        };
        let taken: Vec<_> = tx.by_index::<SubnetRow>("vpc", vpc.id()).collect();
        if taken.iter().any(|subnet| subnet.default_for_az && subnet.zone == zone) {
            let text = format!("'{zone}' already has a default subnet.");
            return Err(refuse("DefaultSubnetAlreadyExistsInAvailabilityZone", text));
        }
        let first = vpc.ranges.first().map(|range| range.range());
        let free = first
            .into_iter()
            .flat_map(|range| slices(range, 20))
            .find(|slice| !taken.iter().any(|subnet| overlaps(subnet.range(), *slice)));
        let Some(range) = free else {
            let text = "There is not enough free address space in the default VPC.";
            return Err(refuse("InsufficientFreeAddressesInVpc", text));
        };
        let row = default_subnet(key_of(&place, &mint(&call.ids, "subnet")), vpc.id(), zone, range);
        let subnet = Some(render::subnet(tx, &row));
        put_subnet(tx, &place, row, mint(&call.ids, "aclassoc"));
        Ok(CreateDefaultSubnetResult { subnet })
    }
}

/// A range in slices of equal size.
fn slices(range: Ipv4Range, prefix: u8) -> impl Iterator<Item = Ipv4Range> {
    let count = 1_u32 << prefix.saturating_sub(range.prefix);
    let step = 1_u32 << (32 - prefix);
    let first = u32::from(range.first);
    (0..count).map(move |at| Ipv4Range { first: (first + at * step).into(), prefix })
}

impl Query<DescribeSubnets> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeSubnetsRequest,
    ) -> Answer<DescribeSubnets> {
        let place = place_of(call);
        let snapshot = &seen(snapshot, &place);
        let says = |row: &SubnetRow, name: &str| says(snapshot, row, name);
        let page = describe(snapshot, &place, ask!(input, subnet_ids), says)?;
        let subnets = page.items.iter().map(|row| render::subnet(snapshot, row));
        Ok(DescribeSubnetsResult { next_token: page.next, subnets: Some(subnets.collect()) })
    }
}

fn says(snapshot: &Snapshot, row: &SubnetRow, name: &str) -> Option<Vec<String>> {
    Some(match name {
        "availability-zone" | "availabilityZone" => vec![row.zone.clone()],
        "availability-zone-id" | "availabilityZoneId" => vec![zone_id(&row.zone)],
        "available-ip-address-count" => vec![available(snapshot, row).to_string()],
        "cidr" | "cidrBlock" | "cidr-block" => vec![row.range().to_string()],
        "default-for-az" | "defaultForAz" => flag(row.default_for_az),
        "map-public-ip-on-launch" => flag(row.map_public_ip),
        "enable-dns64" | "ipv6-native" | "map-customer-owned-ip-on-launch" => flag(false),
        "owner-id" => vec![row.owner()],
        "private-dns-name-options-on-launch.hostname-type" => {
            let kind =
                if row.resource_names { HostnameType::ResourceName } else { HostnameType::IpName };
            vec![kind.to_string()]
        }
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record" => {
            flag(row.a_records)
        }
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record" => flag(false),
        "state" => vec!["available".to_owned()],
        "subnet-arn" => vec![row.arn()],
        "subnet-id" => vec![row.id().to_owned()],
        "vpc-id" => vec![row.vpc.clone()],
        "customer-owned-ipv4-pool"
        | "ipv6-cidr-block-association.ipv6-cidr-block"
        | "ipv6-cidr-block-association.association-id"
        | "ipv6-cidr-block-association.state"
        | "outpost-arn" => Vec::new(),
        _ => return None,
    })
}

impl Command<DeleteSubnet> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteSubnetRequest,
    ) -> Answer<DeleteSubnet> {
        let place = place_of(call);
        settle(tx, &place);
        let row = SubnetRow::find(tx, &place, &input.subnet_id)?;
        let held = tx.by_index_prefix::<InterfaceRow>("held", &format!("{}|", row.id())).next();
        if held.is_some() {
            return Err(dependency("subnet", row.id()));
        }
        forget_associations(tx, &place, row.id());
        tx.remove::<SubnetRow>(&row.key);
        Ok(DeleteSubnetOutput {})
    }
}

/// Takes a subnet out of route tables and ACLs.
fn forget_associations(tx: &mut Tx, place: &Place, subnet: &str) {
    let tables: Vec<_> = rows_of::<RouteTableRow>(tx, place).collect();
    for table in tables {
        if table.associations.iter().any(|used| used.subnet.as_deref() == Some(subnet)) {
            tx.update::<RouteTableRow>(&table.key, |table| {
                table.associations.retain(|used| used.subnet.as_deref() != Some(subnet));
            });
        }
    }
    let acls: Vec<_> = rows_of::<NetworkAclRow>(tx, place).collect();
    for acl in acls {
        if acl.associations.iter().any(|(_, used)| used == subnet) {
            tx.update::<NetworkAclRow>(&acl.key, |acl| {
                acl.associations.retain(|(_, used)| used != subnet);
            });
        }
    }
}

impl Command<ModifySubnetAttribute> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ModifySubnetAttributeRequest,
    ) -> Answer<ModifySubnetAttribute> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row = SubnetRow::clone(&*SubnetRow::find(tx, &place, &input.subnet_id)?);
        let on = |value: &Option<haar_ec2_contract::AttributeBooleanValue>| {
            value.as_ref().and_then(|value| value.value)
        };
        let ipv6 = [
            &input.assign_ipv6_address_on_creation,
            &input.enable_dns64,
            &input.enable_resource_name_dns_aaaa_record_on_launch,
        ];
        if ipv6.into_iter().any(|value| on(value) == Some(true)) {
            return Err(unsupported("IPv6 in VPCs"));
        }
        if on(&input.map_customer_owned_ip_on_launch) == Some(true) {
            return Err(unsupported("AWS Outposts"));
        }
        row.map_public_ip = on(&input.map_public_ip_on_launch).unwrap_or(row.map_public_ip);
        row.a_records =
            on(&input.enable_resource_name_dns_a_record_on_launch).unwrap_or(row.a_records);
        if let Some(kind) = input.private_dns_hostname_type_on_launch {
            row.resource_names = kind == HostnameType::ResourceName;
        }
        tx.put(row);
        Ok(ModifySubnetAttributeOutput {})
    }
}
