//! VPCs, subnets, routes, gateways.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_ec2_contract::*;
use house::{House, filter, refused, some};

#[tokio::test(start_paused = true)]
async fn every_account_has_a_default_vpc_in_every_region_from_its_first_look_on() {
    let house = House::new();
    let seen = house.default_vpc().await;
    assert_eq!(seen.cidr_block.as_deref(), Some("172.31.0.0/16"));
    let subnets = house.default_subnets().await;
    let ranges: Vec<_> = subnets.iter().filter_map(|it| it.cidr_block.as_deref()).collect();
    assert_eq!(ranges, ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"]);
    let zones: Vec<_> = subnets.iter().filter_map(|it| it.availability_zone.as_deref()).collect();
    assert_eq!(zones, ["us-east-1a", "us-east-1b", "us-east-1c"]);
    assert_eq!(subnets[0].available_ip_address_count, Some(4091));
    assert_eq!(subnets[0].map_public_ip_on_launch, Some(true));
    let nothing_written = house.snapshot().version();
    assert_eq!(nothing_written, 0);

    let made = house.vpc("10.0.0.0/16").await;
    let after = house.default_vpc().await;
    assert_eq!(after.vpc_id, seen.vpc_id);
    assert_eq!(house.default_subnets().await[2].subnet_id, subnets[2].subnet_id);
    let other = "eu-west-1".parse().unwrap();
    let there = house.call_in::<DescribeVpcs>(&other, Default::default()).await.unwrap();
    let there = there.vpcs.unwrap();
    assert_eq!(there.len(), 1);
    assert_ne!(there[0].vpc_id, seen.vpc_id);
    let elsewhere = DescribeVpcsRequest { vpc_ids: Some(vec![made.clone()]), ..Default::default() };
    let (code, text) = house.call_in::<DescribeVpcs>(&other, elsewhere).await.unwrap_err();
    assert_eq!((code, text), refused_of("InvalidVpcID.NotFound", &made));
}

fn refused_of(code: &str, id: &str) -> (String, String) {
    (code.to_owned(), format!("The vpc ID '{id}' does not exist"))
}

#[tokio::test(start_paused = true)]
async fn the_default_vpc_is_connected_and_complete() {
    let house = House::new();
    let vpc = house.default_vpc().await.vpc_id.unwrap();
    let tables = house.ok::<DescribeRouteTables>(Default::default()).await.route_tables.unwrap();
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].associations.as_ref().unwrap()[0].main, Some(true));
    let routes = tables[0].routes.as_ref().unwrap();
    let to: Vec<_> = routes.iter().filter_map(|it| it.destination_cidr_block.as_deref()).collect();
    assert_eq!(to, ["172.31.0.0/16", "0.0.0.0/0"]);
    assert_eq!(routes[1].state, Some(RouteState::Active));
    let gateways = house.ok::<DescribeInternetGateways>(Default::default()).await;
    let gateway = &gateways.internet_gateways.unwrap()[0];
    assert_eq!(routes[1].gateway_id, gateway.internet_gateway_id);
    let attached = &gateway.attachments.as_ref().unwrap()[0];
    assert_eq!(attached.vpc_id.as_ref(), Some(&vpc));
    assert_eq!(attached.state.as_deref(), Some("available"));
    let acls = house.ok::<DescribeNetworkAcls>(Default::default()).await.network_acls.unwrap();
    assert_eq!(acls[0].associations.as_ref().unwrap().len(), 3);
    let numbers: Vec<_> =
        acls[0].entries.as_ref().unwrap().iter().filter_map(|it| it.rule_number).collect();
    assert_eq!(numbers, [100, 32767, 100, 32767]);
    let groups = house.ok::<DescribeSecurityGroups>(Default::default()).await;
    let group = &groups.security_groups.unwrap()[0];
    assert_eq!(group.group_name.as_deref(), Some("default"));
    let own = &group.ip_permissions.as_ref().unwrap()[0].user_id_group_pairs.as_ref().unwrap()[0];
    assert_eq!(own.group_id, group.group_id);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_default_vpc_stays_away_until_it_is_made_anew() {
    let house = House::new();
    let old = house.default_vpc().await.vpc_id.unwrap();
    let input = DeleteVpcRequest { vpc_id: old.clone(), ..Default::default() };
    let text = format!("The vpc '{old}' has dependencies and cannot be deleted.");
    let answer = house.call::<DeleteVpc>(input.clone()).await.map(|_| ());
    assert_eq!(answer, refused("DependencyViolation", &text));

    for subnet in house.default_subnets().await {
        let subnet_id = subnet.subnet_id.unwrap();
        house.ok::<DeleteSubnet>(DeleteSubnetRequest { subnet_id, ..Default::default() }).await;
    }
    let gateways = house.ok::<DescribeInternetGateways>(Default::default()).await;
    let gateway = gateways.internet_gateways.unwrap()[0].internet_gateway_id.clone().unwrap();
    let detach = DetachInternetGatewayRequest {
        internet_gateway_id: gateway,
        vpc_id: old.clone(),
        ..Default::default()
    };
    house.ok::<DetachInternetGateway>(detach).await;
    house.ok::<DeleteVpc>(input).await;
    let left = house.ok::<DescribeVpcs>(Default::default()).await.vpcs.unwrap();
    assert_eq!(left.len(), 0);

    let made = house.ok::<CreateDefaultVpc>(Default::default()).await.vpc.unwrap();
    assert_ne!(made.vpc_id, Some(old));
    assert_eq!(house.default_subnets().await.len(), 3);
    let again = house.call::<CreateDefaultVpc>(Default::default()).await.map(|_| ());
    let text = "A Default VPC already exists for this account in this region.";
    assert_eq!(again, refused("DefaultVpcAlreadyExists", text));
}

#[tokio::test(start_paused = true)]
async fn subnets_lie_in_their_vpc_and_never_overlap() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    house.subnet(&vpc, "10.0.1.0/24").await.unwrap();
    let conflict = "The CIDR '10.0.0.0/20' conflicts with another subnet";
    assert_eq!(
        house.subnet(&vpc, "10.0.0.0/20").await,
        refused("InvalidSubnet.Conflict", conflict)
    );
    for range in ["10.1.0.0/24", "10.0.0.0/29", "10.0.0.0/15"] {
        let text = format!("The CIDR '{range}' is invalid.");
        assert_eq!(house.subnet(&vpc, range).await, refused("InvalidSubnet.Range", &text));
    }
    let second = AssociateVpcCidrBlockRequest {
        vpc_id: vpc.clone(),
        cidr_block: some("10.1.0.0/24"),
        ..Default::default()
    };
    let added = house.ok::<AssociateVpcCidrBlock>(second).await.cidr_block_association.unwrap();
    let id = house.subnet(&vpc, "10.1.0.0/25").await.unwrap();
    let association_id = added.association_id.unwrap();
    let drop = DisassociateVpcCidrBlockRequest { association_id };
    let answer = house.call::<DisassociateVpcCidrBlock>(drop.clone()).await.map(|_| ());
    let text = "The vpc CIDR block '10.1.0.0/24' is in use and cannot be removed.";
    assert_eq!(answer, refused("InvalidCidrBlock.InUse", text));
    let gone = DeleteSubnetRequest { subnet_id: id, ..Default::default() };
    house.ok::<DeleteSubnet>(gone).await;
    house.ok::<DisassociateVpcCidrBlock>(drop).await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_says_so() {
    let house = House::new();
    let input = CreateVpcRequest {
        cidr_block: some("10.0.0.0/16"),
        dry_run: Some(true),
        ..Default::default()
    };
    let answer = house.call::<CreateVpc>(input).await.map(|_| ());
    let text = "Request would have succeeded, but DryRun flag is set.";
    assert_eq!(answer, refused("DryRunOperation", text));
    assert_eq!(house.snapshot().version(), 0);
}

#[tokio::test(start_paused = true)]
async fn listings_are_filtered_and_paged() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(house.subnet(&vpc, &format!("10.0.{number}.0/24")).await.unwrap());
    }
    made.sort();
    let tag = Tag { key: some("name"), value: some("web-1") };
    let resources = vec![made[0].clone(), vpc.clone()];
    house.ok::<CreateTags>(CreateTagsRequest { resources, tags: vec![tag], dry_run: None }).await;

    let filters = Some(vec![filter("vpc-id", &[&vpc])]);
    let mut input = DescribeSubnetsRequest { filters, max_results: Some(5), ..Default::default() };
    let first = house.ok::<DescribeSubnets>(input.clone()).await;
    input.next_token = first.next_token;
    let rest = house.ok::<DescribeSubnets>(input.clone()).await;
    assert_eq!(rest.next_token, None);
    let ids = first.subnets.into_iter().chain(rest.subnets).flatten();
    assert_eq!(ids.filter_map(|subnet| subnet.subnet_id).collect::<Vec<_>>(), made);
    input.max_results = Some(4);
    let (code, _) = house.call::<DescribeSubnets>(input).await.unwrap_err();
    assert_eq!(code, "InvalidParameterValue");

    for (filters, count) in [
        (vec![filter("tag:name", &["web-*"])], 1),
        (vec![filter("tag:name", &["db-*"])], 0),
        (vec![filter("vpc-id", &[&vpc]), filter("cidr-block", &["10.0.?.0/24"])], 7),
        (vec![filter("default-for-az", &["true"])], 3),
    ] {
        let input = DescribeSubnetsRequest { filters: Some(filters), ..Default::default() };
        assert_eq!(house.ok::<DescribeSubnets>(input).await.subnets.unwrap().len(), count);
    }
    let input = DescribeSubnetsRequest {
        filters: Some(vec![filter("colour", &["red"])]),
        ..Default::default()
    };
    let answer = house.call::<DescribeSubnets>(input).await.map(|_| ());
    assert_eq!(answer, refused("InvalidParameterValue", "The filter 'colour' is invalid"));

    let input = DescribeTagsRequest {
        filters: Some(vec![filter("resource-type", &["vpc"])]),
        ..Default::default()
    };
    let tags = house.ok::<DescribeTags>(input).await.tags.unwrap();
    assert_eq!((tags.len(), tags[0].resource_id.as_ref()), (1, Some(&vpc)));
    let gone = DeleteTagsRequest {
        resources: vec![vpc],
        tags: Some(vec![Tag { key: some("name"), value: some("other") }]),
        ..Default::default()
    };
    house.ok::<DeleteTags>(gone.clone()).await;
    assert_eq!(house.ok::<DescribeTags>(Default::default()).await.tags.unwrap().len(), 2);
    house.ok::<DeleteTags>(DeleteTagsRequest { tags: None, ..gone }).await;
    assert_eq!(house.ok::<DescribeTags>(Default::default()).await.tags.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn routes_follow_what_they_lead_to() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let table = CreateRouteTableRequest { vpc_id: vpc.clone(), ..Default::default() };
    let made = house.ok::<CreateRouteTable>(table).await.route_table.unwrap();
    let table = made.route_table_id.unwrap();
    let gateway = house.ok::<CreateInternetGateway>(Default::default()).await;
    let gateway = gateway.internet_gateway.unwrap().internet_gateway_id.unwrap();
    let route = CreateRouteRequest {
        route_table_id: table.clone(),
        destination_cidr_block: some("0.0.0.0/0"),
        gateway_id: some(&gateway),
        ..Default::default()
    };
    let text = format!(
        "route table {table} and network gateway {gateway} belong to different \
                        networks"
    );
    let answer = house.call::<CreateRoute>(route.clone()).await.map(|_| ());
    assert_eq!(answer, refused("InvalidParameterValue", &text));
    let attach = AttachInternetGatewayRequest {
        internet_gateway_id: gateway.clone(),
        vpc_id: vpc.clone(),
        ..Default::default()
    };
    house.ok::<AttachInternetGateway>(attach).await;
    house.ok::<CreateRoute>(route.clone()).await;
    house.ok::<CreateRoute>(route.clone()).await; // the same again is fine
    let local = CreateRouteRequest { destination_cidr_block: some("10.0.0.0/16"), ..route };
    let answer = house.call::<CreateRoute>(local).await.map(|_| ());
    let text = "The route identified by 10.0.0.0/16 already exists.";
    assert_eq!(answer, refused("RouteAlreadyExists", text));

    let detach = DetachInternetGatewayRequest {
        internet_gateway_id: gateway,
        vpc_id: vpc.clone(),
        ..Default::default()
    };
    house.ok::<DetachInternetGateway>(detach).await;
    let input = DescribeRouteTablesRequest {
        filters: Some(vec![filter("route.state", &["blackhole"])]),
        ..Default::default()
    };
    let found = house.ok::<DescribeRouteTables>(input).await.route_tables.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].route_table_id.as_ref(), Some(&table));

    let delete = DeleteRouteRequest {
        route_table_id: table.clone(),
        destination_cidr_block: some("0.0.0.0/0"),
        ..Default::default()
    };
    house.ok::<DeleteRoute>(delete.clone()).await;
    let text = format!("no route with destination-cidr-block 0.0.0.0/0 in route table {table}");
    let answer = house.call::<DeleteRoute>(delete).await.map(|_| ());
    assert_eq!(answer, refused("InvalidRoute.NotFound", &text));
}

#[tokio::test(start_paused = true)]
async fn a_subnet_uses_one_table_and_the_main_one_can_be_replaced() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let subnet = house.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let filters = Some(vec![filter("vpc-id", &[&vpc])]);
    let all = DescribeRouteTablesRequest { filters, ..Default::default() };
    let main = house.ok::<DescribeRouteTables>(all.clone()).await.route_tables.unwrap();
    let main_use = main[0].associations.as_ref().unwrap()[0].clone();
    let mut tables = Vec::new();
    for _ in 0..2 {
        let input = CreateRouteTableRequest { vpc_id: vpc.clone(), ..Default::default() };
        let made = house.ok::<CreateRouteTable>(input).await.route_table.unwrap();
        tables.push(made.route_table_id.unwrap());
    }
    let first = AssociateRouteTableRequest {
        route_table_id: tables[0].clone(),
        subnet_id: some(&subnet),
        ..Default::default()
    };
    let used = house.ok::<AssociateRouteTable>(first.clone()).await.association_id;
    let second = AssociateRouteTableRequest { route_table_id: tables[1].clone(), ..first };
    let (code, _) = house.call::<AssociateRouteTable>(second).await.unwrap_err();
    assert_eq!(code, "Resource.AlreadyAssociated");
    let replace = ReplaceRouteTableAssociationRequest {
        association_id: main_use.route_table_association_id.unwrap(),
        route_table_id: tables[1].clone(),
        ..Default::default()
    };
    house.ok::<ReplaceRouteTableAssociation>(replace).await;
    let delete = DeleteRouteTableRequest {
        route_table_id: main[0].route_table_id.clone().unwrap(),
        ..Default::default()
    };
    house.ok::<DeleteRouteTable>(delete).await; // it is not the main one any more
    let delete = DeleteRouteTableRequest { route_table_id: tables[0].clone(), dry_run: None };
    let (code, _) = house.call::<DeleteRouteTable>(delete.clone()).await.unwrap_err();
    assert_eq!(code, "DependencyViolation");
    let association_id = used.unwrap();
    let input = DisassociateRouteTableRequest { association_id, ..Default::default() };
    house.ok::<DisassociateRouteTable>(input).await;
    house.ok::<DeleteRouteTable>(delete).await;
    assert_eq!(house.ok::<DescribeRouteTables>(all).await.route_tables.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_nat_gateway_becomes_available_and_gives_all_back_when_deleted() {
    let house = House::new();
    let subnet = house.default_subnets().await[0].clone();
    let address = house.ok::<AllocateAddress>(Default::default()).await;
    let input = CreateNatGatewayRequest {
        subnet_id: subnet.subnet_id.clone(),
        allocation_id: address.allocation_id.clone(),
        client_token: some("once"),
        ..Default::default()
    };
    let made = house.ok::<CreateNatGateway>(input.clone()).await.nat_gateway.unwrap();
    assert_eq!(made.state, Some(NatGatewayState::Pending));
    let own = &made.nat_gateway_addresses.as_ref().unwrap()[0];
    assert_eq!(own.allocation_id, address.allocation_id);
    assert_eq!((&own.network_interface_id, &own.private_ip, &own.public_ip), (&None, &None, &None));
    let again = house.ok::<CreateNatGateway>(input.clone()).await.nat_gateway.unwrap();
    assert_eq!(again.nat_gateway_id, made.nat_gateway_id);
    let other = CreateNatGatewayRequest { allocation_id: some("eipalloc-1"), ..input };
    let (code, _) = house.call::<CreateNatGateway>(other).await.unwrap_err();
    assert_eq!(code, "IdempotentParameterMismatch");

    house.pass(Duration::from_secs(1)).await;
    let id = made.nat_gateway_id.unwrap();
    let wanted = DescribeNatGatewaysRequest {
        nat_gateway_ids: Some(vec![id.clone()]),
        ..Default::default()
    };
    let shown = house.ok::<DescribeNatGateways>(wanted.clone()).await.nat_gateways.unwrap();
    assert_eq!(shown[0].state, Some(NatGatewayState::Available));
    let own = &shown[0].nat_gateway_addresses.as_ref().unwrap()[0];
    assert_eq!(own.public_ip, address.public_ip);
    assert!(own.network_interface_id.is_some() && own.private_ip.is_some());
    let release =
        ReleaseAddressRequest { allocation_id: address.allocation_id, ..Default::default() };
    let (code, _) = house.call::<ReleaseAddress>(release.clone()).await.unwrap_err();
    assert_eq!(code, "InvalidIPAddress.InUse");
    let count = |subnets: &[Subnet]| subnets[0].available_ip_address_count;
    assert_eq!(count(&house.default_subnets().await), Some(4090));

    house
        .ok::<DeleteNatGateway>(DeleteNatGatewayRequest { nat_gateway_id: id, dry_run: None })
        .await;
    house.pass(Duration::from_secs(1)).await;
    let shown = house.ok::<DescribeNatGateways>(wanted.clone()).await.nat_gateways.unwrap();
    assert_eq!(shown[0].state, Some(NatGatewayState::Deleted));
    house.ok::<ReleaseAddress>(release).await;
    assert_eq!(count(&house.default_subnets().await), Some(4091));
    house.pass(Duration::from_secs(3600)).await;
    let (code, _) = house.call::<DescribeNatGateways>(wanted).await.unwrap_err();
    assert_eq!(code, "NatGatewayNotFound");
}

#[tokio::test(start_paused = true)]
async fn endpoints_bring_routes_and_interfaces_and_take_them_away() {
    let house = House::new();
    let vpc = house.default_vpc().await.vpc_id.unwrap();
    let tables = house.ok::<DescribeRouteTables>(Default::default()).await.route_tables.unwrap();
    let table = tables[0].route_table_id.clone().unwrap();
    let gateway = CreateVpcEndpointRequest {
        vpc_id: vpc.clone(),
        service_name: some("com.amazonaws.us-east-1.s3"),
        route_table_ids: Some(vec![table]),
        ..Default::default()
    };
    let gateway = house.ok::<CreateVpcEndpoint>(gateway).await.vpc_endpoint.unwrap();
    assert_eq!(gateway.state, Some(State::Available));
    let tables = house.ok::<DescribeRouteTables>(Default::default()).await.route_tables.unwrap();
    let route = tables[0].routes.as_ref().unwrap().last().unwrap().clone();
    assert_eq!(route.gateway_id, gateway.vpc_endpoint_id);
    let lists = house.ok::<DescribePrefixLists>(Default::default()).await.prefix_lists.unwrap();
    let s3 = lists.iter().find(|it| it.prefix_list_name.as_deref().unwrap().ends_with(".s3"));
    assert_eq!(route.destination_prefix_list_id, s3.unwrap().prefix_list_id);

    let one = DescribeManagedPrefixListsRequest { max_results: Some(1), ..Default::default() };
    let first = house.ok::<DescribeManagedPrefixLists>(one.clone()).await;
    let rest = DescribeManagedPrefixListsRequest { next_token: first.next_token, ..one };
    let second = house.ok::<DescribeManagedPrefixLists>(rest).await.prefix_lists.unwrap();
    let first = first.prefix_lists.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].prefix_list_id, second[0].prefix_list_id);
    let all = GetManagedPrefixListEntriesRequest {
        prefix_list_id: route.destination_prefix_list_id.clone().unwrap(),
        ..Default::default()
    };
    let whole = house.ok::<GetManagedPrefixListEntries>(all.clone()).await.entries.unwrap();
    let (mut paged, mut next_token) = (Vec::new(), None);
    loop {
        let input =
            GetManagedPrefixListEntriesRequest { max_results: Some(1), next_token, ..all.clone() };
        let page = house.ok::<GetManagedPrefixListEntries>(input).await;
        assert_eq!(page.entries.as_ref().unwrap().len(), 1);
        paged.extend(page.entries.unwrap());
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert!(whole.len() > 1);
    assert_eq!(paged, whole);

    let subnets = house.default_subnets().await;
    let ids = subnets.iter().filter_map(|it| it.subnet_id.clone()).take(2).collect();
    let interface = CreateVpcEndpointRequest {
        vpc_id: vpc,
        vpc_endpoint_type: Some(VpcEndpointType::Interface),
        service_name: some("com.amazonaws.us-east-1.ecr.api"),
        subnet_ids: Some(ids),
        ..Default::default()
    };
    let interface = house.ok::<CreateVpcEndpoint>(interface).await.vpc_endpoint.unwrap();
    assert_eq!(interface.network_interface_ids.unwrap().len(), 2);
    let all = || house.ok::<DescribeNetworkInterfaces>(Default::default());
    let found = all().await.network_interfaces.unwrap();
    assert_eq!(found[0].interface_type, Some(NetworkInterfaceType::VpcEndpoint));

    let ids = vec![
        gateway.vpc_endpoint_id.unwrap(),
        interface.vpc_endpoint_id.unwrap(),
        "vpce-1".to_owned(),
    ];
    let input = DeleteVpcEndpointsRequest { vpc_endpoint_ids: ids, ..Default::default() };
    let left = house.ok::<DeleteVpcEndpoints>(input).await.unsuccessful.unwrap();
    assert_eq!(left[0].resource_id.as_deref(), Some("vpce-1"));
    assert_eq!(all().await.network_interfaces.unwrap().len(), 0);
    let tables = house.ok::<DescribeRouteTables>(Default::default()).await.route_tables.unwrap();
    assert_eq!(tables[0].routes.as_ref().unwrap().len(), 2);
    let unknown = CreateVpcEndpointRequest {
        vpc_id: house.default_vpc().await.vpc_id.unwrap(),
        service_name: some("com.amazonaws.us-east-1.nothing"),
        ..Default::default()
    };
    let answer = house.call::<CreateVpcEndpoint>(unknown).await.map(|_| ());
    let text = "The Vpc Endpoint Service 'com.amazonaws.us-east-1.nothing' does not exist";
    assert_eq!(answer, refused("InvalidServiceName", text));
}

#[tokio::test(start_paused = true)]
async fn acl_entries_have_one_number_each_and_subnets_one_acl() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let subnet = house.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let input = CreateNetworkAclRequest { vpc_id: vpc.clone(), ..Default::default() };
    let acl =
        house.ok::<CreateNetworkAcl>(input).await.network_acl.unwrap().network_acl_id.unwrap();
    let entry = CreateNetworkAclEntryRequest {
        network_acl_id: acl.clone(),
        rule_number: 100,
        protocol: "6".to_owned(),
        rule_action: RuleAction::Deny,
        egress: false,
        cidr_block: some("10.9.0.0/16"),
        port_range: Some(PortRange { from: Some(22), to: Some(22) }),
        ..Default::default()
    };
    house.ok::<CreateNetworkAclEntry>(entry.clone()).await;
    let answer = house.call::<CreateNetworkAclEntry>(entry.clone()).await.map(|_| ());
    let text = "The network acl entry identified by 100 already exists.";
    assert_eq!(answer, refused("NetworkAclEntryAlreadyExists", text));
    house.ok::<CreateNetworkAclEntry>(CreateNetworkAclEntryRequest { egress: true, ..entry }).await;
    let filters = Some(vec![filter("association.subnet-id", &[&subnet])]);
    let all = DescribeNetworkAclsRequest { filters, ..Default::default() };
    let old = house.ok::<DescribeNetworkAcls>(all.clone()).await.network_acls.unwrap();
    let used = old[0].associations.as_ref().unwrap()[0].network_acl_association_id.clone();
    let replace = ReplaceNetworkAclAssociationRequest {
        association_id: used.unwrap(),
        network_acl_id: acl.clone(),
        ..Default::default()
    };
    house.ok::<ReplaceNetworkAclAssociation>(replace).await;
    let new = house.ok::<DescribeNetworkAcls>(all).await.network_acls.unwrap();
    assert_eq!(new[0].network_acl_id.as_ref(), Some(&acl));
    let delete = DeleteNetworkAclRequest { network_acl_id: acl, ..Default::default() };
    let (code, _) = house.call::<DeleteNetworkAcl>(delete).await.unwrap_err();
    assert_eq!(code, "DependencyViolation");
}

#[tokio::test(start_paused = true)]
async fn a_vpc_is_pending_in_the_answer_that_makes_it_and_available_after() {
    let house = House::new();
    let input = CreateVpcRequest { cidr_block: some("10.0.0.0/16"), ..Default::default() };
    let made = house.ok::<CreateVpc>(input).await.vpc.unwrap();
    assert_eq!(made.state, Some(VpcState::Pending));
    assert_eq!(made.ipv6_cidr_block_association_set.map(|set| set.len()), Some(0));
    let ask = DescribeVpcsRequest { vpc_ids: made.vpc_id.map(|id| vec![id]), ..Default::default() };
    let shown = house.ok::<DescribeVpcs>(ask).await.vpcs.unwrap();
    assert_eq!(shown[0].state, Some(VpcState::Available));
    assert!(shown[0].ipv6_cidr_block_association_set.is_none());
}

#[tokio::test(start_paused = true)]
async fn dhcp_options_are_shown_by_name_however_they_were_given() {
    let house = House::new();
    let option = |key: &str, value: &str| NewDhcpConfiguration {
        key: some(key),
        values: Some(vec![value.to_owned()]),
    };
    let input = CreateDhcpOptionsRequest {
        dhcp_configurations: vec![
            option("domain-name-servers", "10.2.5.1"),
            option("domain-name", "example.com"),
        ],
        ..Default::default()
    };
    let made = house.ok::<CreateDhcpOptions>(input).await.dhcp_options.unwrap();
    let shown = made.dhcp_configurations.unwrap();
    let keys: Vec<_> = shown.iter().filter_map(|it| it.key.as_deref()).collect();
    assert_eq!(keys, ["domain-name", "domain-name-servers"]);
}
