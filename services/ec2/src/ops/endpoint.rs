//! VPC endpoints. Every API that haar has is reachable from every VPC, with or without one: an
//! endpoint is available at once, its routes and interfaces are there, and traffic takes the
//! same way as before.

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    CreateVpcEndpoint, CreateVpcEndpointRequest, CreateVpcEndpointResult, DeleteVpcEndpoints,
    DeleteVpcEndpointsRequest, DeleteVpcEndpointsResult, DescribeVpcEndpointServices,
    DescribeVpcEndpointServicesRequest, DescribeVpcEndpointServicesResult, DescribeVpcEndpoints,
    DescribeVpcEndpointsRequest, DescribeVpcEndpointsResult, ModifyVpcEndpoint,
    ModifyVpcEndpointRequest, ModifyVpcEndpointResult, ResourceType, ServiceConnectivityType,
    ServiceDetail, ServiceType, ServiceTypeDetail, UnsuccessfulItem, UnsuccessfulItemError,
    VpcEndpointType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use super::interface::{Blank, groups_in, put_interface};
use crate::interfaces::remove;
use crate::listing::{ask, cut, describe, place_of};
use crate::once::Once;
use crate::refusal::{invalid, missing, refuse, unsupported};
use crate::rules::{Filters, PREFIX_LISTS, managed_list, mint, specified_tags, zone_id, zones};
use crate::state::{
    Destination, EndpointRow, Resource, RouteEntry, RouteTableRow, SubnetRow, Target, VpcRow,
    key_of,
};
use crate::world::{seen, settle};
use crate::{Ec2, render};

/// Services that have interface endpoints, by the last parts of their names.
const INTERFACE_SERVICES: &[&str] = &[
    "application-autoscaling",
    "autoscaling",
    "batch",
    "cloudformation",
    "dynamodb",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "elasticfilesystem",
    "elasticloadbalancing",
    "events",
    "execute-api",
    "kinesis-firehose",
    "kinesis-streams",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "servicediscovery",
    "sns",
    "sqs",
    "ssm",
    "ssmmessages",
    "states",
    "sts",
    "xray",
];

/// The last parts of a service's name, if there is an endpoint of that kind for it.
fn service_of(place: &Place, name: &str, is_interface: bool) -> Option<String> {
    let short = name.strip_prefix(&format!("com.amazonaws.{}.", place.region))?;
    let known = match is_interface {
        true => INTERFACE_SERVICES.contains(&short),
        false => PREFIX_LISTS.iter().any(|(service, _)| *service == short),
    };
    known.then(|| short.to_owned())
}

impl Command<CreateVpcEndpoint> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateVpcEndpointRequest,
    ) -> Answer<CreateVpcEndpoint> {
        let place = place_of(call);
        settle(tx, &place);
        let token = input.client_token.as_ref();
        let first = match Once::begin(tx, &place, "CreateVpcEndpoint", token, &input)? {
            Once::Again(id) => {
                let row = EndpointRow::find(tx, &place, &id)?;
                return Ok(made(tx, &row, input.client_token));
            }
            Once::First(first) => first,
        };
        let is_interface = match input.vpc_endpoint_type {
            None | Some(VpcEndpointType::Gateway) => false,
            Some(VpcEndpointType::Interface) => true,
            Some(other) => return Err(unsupported(&format!("a {other} endpoint"))),
        };
        let tags = specified_tags(input.tag_specifications, ResourceType::VpcEndpoint)?;
        let vpc = VpcRow::find(tx, &place, &input.vpc_id)?;
        let service = input.service_name.ok_or_else(|| missing("ServiceName"))?;
        if service_of(&place, &service, is_interface).is_none() {
            let text = format!("The Vpc Endpoint Service '{service}' does not exist");
            return Err(refuse("InvalidServiceName", text));
        }
        check_policy(input.policy_document.as_deref())?;
        let mut row = EndpointRow {
            key: key_of(&place, &mint(&call.ids, "vpce")),
            vpc: vpc.id().to_owned(),
            service,
            is_interface,
            policy: input.policy_document,
            route_tables: Vec::new(),
            subnets: Vec::new(),
            groups: Vec::new(),
            private_dns: is_interface && input.private_dns_enabled.unwrap_or(true),
            created_at: call.now,
            tags,
        };
        if is_interface {
            let groups = input.security_group_ids.unwrap_or_default();
            add_subnets(call, tx, &mut row, input.subnet_ids.unwrap_or_default(), groups)?;
        } else {
            add_route_tables(tx, &mut row, input.route_table_ids.unwrap_or_default())?;
        }
        first.made(tx, row.id());
        tx.put(row.clone());
        Ok(made(tx, &row, input.client_token))
    }
}

fn made(tx: &Tx, row: &EndpointRow, client_token: Option<String>) -> CreateVpcEndpointResult {
    CreateVpcEndpointResult { vpc_endpoint: Some(render::endpoint(tx, row)), client_token }
}

fn check_policy(policy: Option<&str>) -> Result<(), AwsError> {
    let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    match policy {
        Some(text) if !text.is_empty() && !is_json(text) => {
            Err(refuse("InvalidPolicyDocument", "Policy document is not valid JSON"))
        }
        _ => Ok(()),
    }
}

fn add_subnets(
    call: &Call,
    tx: &mut Tx,
    row: &mut EndpointRow,
    subnets: Vec<String>,
    groups: Vec<String>,
) -> Result<(), AwsError> {
    let place = row.place();
    for id in subnets {
        let subnet = SubnetRow::find(tx, &place, &id)?;
        if subnet.vpc != row.vpc {
            let text =
                format!("subnet {id} and endpoint {} belong to different networks", row.id());
            return Err(invalid(text));
        }
        let known = |other: &(String, String)| {
            let other = tx.get::<SubnetRow>(&key_of(&place, &other.0));
            other.is_some_and(|other| other.zone == subnet.zone)
        };
        if row.subnets.iter().any(known) {
            let text = "Found another VPC endpoint subnet in the availability zone of this subnet";
            return Err(refuse("DuplicateSubnetsInSameZone", text));
        }
        row.groups = groups_in(tx, &subnet, groups.clone())?;
        let blank = Blank {
            kind: "vpc_endpoint",
            description: format!("VPC Endpoint Interface {}", row.id()),
            requester: Some("amazon-vpce"),
            private_ip: None,
            groups: row.groups.clone(),
            tags: Tags::new(),
        };
        let interface = put_interface(call, tx, &subnet, blank)?;
        row.subnets.push((id, interface.id().to_owned()));
    }
    Ok(())
}

fn add_route_tables(
    tx: &mut Tx,
    row: &mut EndpointRow,
    tables: Vec<String>,
) -> Result<(), AwsError> {
    let place = row.place();
    let Some(list) = managed_list(&place, &row.service) else { return Ok(()) };
    let destination = Destination::PrefixList(list.id);
    for id in tables {
        let table = RouteTableRow::find(tx, &place, &id)?;
        if table.vpc != row.vpc {
            let text =
                format!("route table {id} and endpoint {} belong to different networks", row.id());
            return Err(invalid(text));
        }
        if table.routes.iter().any(|route| route.destination == destination) {
            let text = format!(
                "route table {id} already has a route with destination-prefix-list-id {}",
                destination.text()
            );
            return Err(refuse("RouteAlreadyExists", text));
        }
        let target = Target::Endpoint(row.id().to_owned());
        let route = RouteEntry { destination: destination.clone(), target };
        tx.update::<RouteTableRow>(&table.key, |table| table.routes.push(route));
        row.route_tables.push(id);
    }
    Ok(())
}

fn drop_route_tables(tx: &mut Tx, row: &mut EndpointRow, tables: &[String]) {
    let target = Target::Endpoint(row.id().to_owned());
    for id in tables {
        tx.update::<RouteTableRow>(&key_of(&row.place(), id), |table| {
            table.routes.retain(|route| route.target != target);
        });
    }
    row.route_tables.retain(|id| !tables.contains(id));
}

fn drop_subnets(tx: &mut Tx, row: &mut EndpointRow, subnets: &[String]) {
    for (_, interface) in row.subnets.iter().filter(|(subnet, _)| subnets.contains(subnet)) {
        remove(tx, &key_of(&row.place(), interface));
    }
    row.subnets.retain(|(subnet, _)| !subnets.contains(subnet));
}

impl Command<ModifyVpcEndpoint> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ModifyVpcEndpointRequest,
    ) -> Answer<ModifyVpcEndpoint> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row = EndpointRow::clone(&*EndpointRow::find(tx, &place, &input.vpc_endpoint_id)?);
        check_policy(input.policy_document.as_deref())?;
        if input.reset_policy == Some(true) {
            row.policy = None;
        }
        row.policy = input.policy_document.or(row.policy);
        row.private_dns = input.private_dns_enabled.unwrap_or(row.private_dns);
        drop_route_tables(tx, &mut row, &input.remove_route_table_ids.unwrap_or_default());
        drop_subnets(tx, &mut row, &input.remove_subnet_ids.unwrap_or_default());
        add_route_tables(tx, &mut row, input.add_route_table_ids.unwrap_or_default())?;
        let mut groups = row.groups.clone();
        groups
            .retain(|id| !input.remove_security_group_ids.iter().flatten().any(|gone| gone == id));
        groups.extend(input.add_security_group_ids.unwrap_or_default());
        let subnets = input.add_subnet_ids.unwrap_or_default();
        add_subnets(call, tx, &mut row, subnets, groups.clone())?;
        regroup(tx, &mut row, groups)?;
        tx.put(row);
        Ok(ModifyVpcEndpointResult { r#return: Some(true) })
    }
}

/// Puts all interfaces of an endpoint into these groups.
fn regroup(tx: &mut Tx, row: &mut EndpointRow, groups: Vec<String>) -> Result<(), AwsError> {
    let Some((subnet, _)) = row.subnets.first() else { return Ok(()) };
    let subnet = SubnetRow::find(tx, &row.place(), subnet)?;
    row.groups = groups_in(tx, &subnet, groups)?;
    for (_, interface) in &row.subnets {
        tx.update::<crate::state::InterfaceRow>(&key_of(&row.place(), interface), |it| {
            it.groups.clone_from(&row.groups);
        });
    }
    Ok(())
}

impl Command<DeleteVpcEndpoints> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteVpcEndpointsRequest,
    ) -> Answer<DeleteVpcEndpoints> {
        let place = place_of(call);
        settle(tx, &place);
        let mut unsuccessful = Vec::new();
        for id in input.vpc_endpoint_ids {
            let Some(row) = tx.get::<EndpointRow>(&key_of(&place, &id)) else {
                let error = UnsuccessfulItemError {
                    code: Some(EndpointRow::MISSING.to_owned()),
                    message: Some(EndpointRow::missing_text(&id)),
                };
                unsuccessful.push(UnsuccessfulItem { error: Some(error), resource_id: Some(id) });
                continue;
            };
            let mut row = EndpointRow::clone(&row);
            let tables = row.route_tables.clone();
            drop_route_tables(tx, &mut row, &tables);
            let subnets: Vec<String> = row.subnets.iter().map(|(id, _)| id.clone()).collect();
            drop_subnets(tx, &mut row, &subnets);
            tx.remove::<EndpointRow>(&row.key);
        }
        Ok(DeleteVpcEndpointsResult { unsuccessful: Some(unsuccessful) })
    }
}

impl Query<DescribeVpcEndpoints> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeVpcEndpointsRequest,
    ) -> Answer<DescribeVpcEndpoints> {
        let place = place_of(call);
        let snapshot = &seen(snapshot, &place);
        let ask = ask!(input, vpc_endpoint_ids);
        let page = describe::<EndpointRow>(snapshot, &place, ask, |row, name| {
            let kind = if row.is_interface { "Interface" } else { "Gateway" };
            Some(match name {
                "ip-address-type" => vec!["ipv4".to_owned()],
                "service-name" => vec![row.service.clone()],
                "service-region" => vec![place.region.to_string()],
                "vpc-endpoint-id" => vec![row.id().to_owned()],
                "vpc-endpoint-state" => vec!["available".to_owned()],
                "vpc-endpoint-type" => vec![kind.to_owned()],
                "vpc-id" => vec![row.vpc.clone()],
                _ => return None,
            })
        })?;
        let endpoints = page.items.iter().map(|row| render::endpoint(snapshot, row));
        Ok(DescribeVpcEndpointsResult {
            vpc_endpoints: Some(endpoints.collect()),
            next_token: page.next,
        })
    }
}

impl Query<DescribeVpcEndpointServices> for Ec2 {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: DescribeVpcEndpointServicesRequest,
    ) -> Answer<DescribeVpcEndpointServices> {
        let place = place_of(call);
        let filters = Filters::new(input.filters)?;
        let wanted = input.service_names.unwrap_or_default();
        for name in &wanted {
            let known = [true, false].map(|kind| service_of(&place, name, kind));
            if known.iter().all(Option::is_none) {
                let text = format!("The Vpc Endpoint Service '{name}' does not exist");
                return Err(refuse("InvalidServiceName", text));
            }
        }
        let mut found = Vec::new();
        for detail in services(&place) {
            let name = detail.service_name.clone().unwrap_or_default();
            let kinds = detail.service_type.iter().flatten();
            let kinds: Vec<String> =
                kinds.filter_map(|kind| kind.service_type).map(|kind| kind.to_string()).collect();
            let fits = filters.match_(&Tags::new(), |filter| {
                Some(match filter {
                    "owner" => vec!["amazon".to_owned()],
                    "service-name" => vec![name.clone()],
                    "service-region" => vec![place.region.to_string()],
                    "service-type" => kinds.clone(),
                    "supported-ip-address-types" => vec!["ipv4".to_owned()],
                    _ => return None,
                })
            })?;
            if fits && (wanted.is_empty() || wanted.contains(&name)) {
                found.push(detail);
            }
        }
        let key = |detail: &ServiceDetail| detail.service_id.clone().unwrap_or_default();
        found.sort_by_key(key);
        let scope = format!("DescribeVpcEndpointServices/{}", filters.scope());
        let page = cut(found, &scope, input.max_results, input.next_token, key)?;
        let mut names: Vec<String> =
            page.items.iter().filter_map(|detail| detail.service_name.clone()).collect();
        names.sort();
        names.dedup();
        Ok(DescribeVpcEndpointServicesResult {
            service_names: Some(names),
            service_details: Some(page.items),
            next_token: page.next,
        })
    }
}

/// All services of a region; S3 and DynamoDB are there twice.
fn services(place: &Place) -> Vec<ServiceDetail> {
    let gateways = PREFIX_LISTS.iter().map(|(service, _)| (*service, ServiceType::Gateway));
    let interfaces = INTERFACE_SERVICES.iter().map(|service| (*service, ServiceType::Interface));
    gateways.chain(interfaces).map(|(service, kind)| detail(place, service, kind)).collect()
}

fn detail(place: &Place, service: &str, kind: ServiceType) -> ServiceDetail {
    let region = place.region.as_str();
    let zones = zones(region);
    let name = format!("com.amazonaws.{region}.{service}");
    let everyone = Place { account: Default::default(), region: place.region.clone() };
    ServiceDetail {
        service_id: Some(crate::rules::derived("vpce-svc", &everyone, &format!("{name}/{kind}"))),
        service_name: Some(name),
        service_type: Some(vec![ServiceTypeDetail { service_type: Some(kind) }]),
        service_region: Some(region.to_owned()),
        availability_zone_ids: Some(zones.iter().map(|zone| zone_id(zone)).collect()),
        availability_zones: Some(zones),
        owner: Some("amazon".to_owned()),
        base_endpoint_dns_names: Some(vec![format!("{service}.{region}.vpce.amazonaws.com")]),
        vpc_endpoint_policy_supported: Some(true),
        acceptance_required: Some(false),
        manages_vpc_endpoints: Some(false),
        supported_ip_address_types: Some(vec![ServiceConnectivityType::Ipv4]),
        tags: Some(Vec::new()),
        ..ServiceDetail::default()
    }
}
