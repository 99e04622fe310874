//! Security groups, interfaces and addresses, and what neighbours see of them.

#![allow(clippy::unwrap_used)]

mod house;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use haar_ec2_contract::peek::{Allowed, AllowedPeer, InterfaceError, Ipv4Range};
use haar_ec2_contract::*;
use haar_ledger::{LedgerError, Tx};
use house::{House, filter, place, refused, some, tcp, tcp_from};

fn range(text: &str) -> Ipv4Range {
    let (first, prefix) = text.split_once('/').unwrap();
    Ipv4Range { first: first.parse().unwrap(), prefix: prefix.parse().unwrap() }
}

#[tokio::test(start_paused = true)]
async fn rules_are_added_once_and_removed_by_id_or_by_what_they_allow() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let group = house.group(&vpc, "web").await;
    let id = house.allow(&group, tcp(80, "0.0.0.0/0")).await.unwrap();
    let text = "the specified rule \"peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW\" \
                already exists";
    let again = house.allow(&group, tcp(80, "0.0.0.0/0")).await;
    assert_eq!(again, refused("InvalidPermission.Duplicate", text));
    house.allow(&group, tcp(80, "10.1.2.3/16")).await.unwrap();

    let wanted = DescribeSecurityGroupsRequest {
        group_ids: Some(vec![group.clone()]),
        ..Default::default()
    };
    let shown = house.ok::<DescribeSecurityGroups>(wanted.clone()).await.security_groups.unwrap();
    let permissions = shown[0].ip_permissions.as_ref().unwrap();
    assert_eq!(permissions.len(), 1); // the same traffic, two peers
    let ranges = permissions[0].ip_ranges.as_ref().unwrap().iter();
    let ranges: BTreeSet<_> = ranges.filter_map(|it| it.cidr_ip.as_deref()).collect();
    assert_eq!(ranges, BTreeSet::from(["0.0.0.0/0", "10.1.0.0/16"]));
    assert_eq!(shown[0].ip_permissions_egress.as_ref().unwrap().len(), 1);

    let by_id = RevokeSecurityGroupIngressRequest {
        group_id: some(&group),
        security_group_rule_ids: Some(vec![id.clone()]),
        ..Default::default()
    };
    let gone = house.ok::<RevokeSecurityGroupIngress>(by_id.clone()).await;
    let gone = gone.revoked_security_group_rules.unwrap();
    assert_eq!(gone[0].cidr_ipv4.as_deref(), Some("0.0.0.0/0"));
    let answer = house.call::<RevokeSecurityGroupIngress>(by_id).await.map(|_| ());
    let text = format!("The security group rule ID '{id}' does not exist");
    assert_eq!(answer, refused("InvalidSecurityGroupRuleId.NotFound", &text));
    let by_traffic = RevokeSecurityGroupIngressRequest {
        group_id: some(&group),
        ip_permissions: Some(vec![tcp(80, "10.1.0.0/16")]),
        ..Default::default()
    };
    house.ok::<RevokeSecurityGroupIngress>(by_traffic.clone()).await;
    let answer = house.call::<RevokeSecurityGroupIngress>(by_traffic).await.map(|_| ());
    let text = "The specified rule does not exist in this security group.";
    assert_eq!(answer, refused("InvalidPermission.NotFound", text));
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_changed_in_place_and_keeps_its_kind_of_peer() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let group = house.group(&vpc, "web").await;
    let id = house.allow(&group, tcp(80, "10.0.0.0/8")).await.unwrap();
    let change = |rule: SecurityGroupRuleRequest| ModifySecurityGroupRulesRequest {
        group_id: group.clone(),
        security_group_rules: vec![SecurityGroupRuleUpdate {
            security_group_rule_id: id.clone(),
            security_group_rule: Some(rule),
        }],
        dry_run: None,
    };
    let wanted = SecurityGroupRuleRequest {
        ip_protocol: some("tcp"),
        from_port: Some(443),
        to_port: Some(443),
        cidr_ipv4: some("10.0.0.0/8"),
        description: some("tls"),
        ..Default::default()
    };
    house.ok::<ModifySecurityGroupRules>(change(wanted.clone())).await;
    let rules = DescribeSecurityGroupRulesRequest {
        filters: Some(vec![filter("group-id", &[&group])]),
        ..Default::default()
    };
    let rules = house.ok::<DescribeSecurityGroupRules>(rules).await.security_group_rules.unwrap();
    let rule = rules.iter().find(|rule| rule.is_egress == Some(false)).unwrap();
    assert_eq!(rule.security_group_rule_id.as_ref(), Some(&id));
    assert_eq!((rule.from_port, rule.description.as_deref()), (Some(443), Some("tls")));
    let other =
        SecurityGroupRuleRequest { cidr_ipv4: None, referenced_group_id: some(&group), ..wanted };
    let (code, _) = house.call::<ModifySecurityGroupRules>(change(other)).await.unwrap_err();
    assert_eq!(code, "InvalidParameterCombination");
}

#[tokio::test(start_paused = true)]
async fn groups_have_names_of_their_own_and_go_only_when_nothing_needs_them() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let (web, db) = (house.group(&vpc, "web").await, house.group(&vpc, "db").await);
    let twin = CreateSecurityGroupRequest {
        group_name: "web".to_owned(),
        description: "twin".to_owned(),
        vpc_id: some(&vpc),
        ..Default::default()
    };
    let answer = house.call::<CreateSecurityGroup>(twin.clone()).await.map(|_| ());
    let text = format!("The security group 'web' already exists for VPC '{vpc}'");
    assert_eq!(answer, refused("InvalidGroup.Duplicate", &text));
    let reserved = CreateSecurityGroupRequest { group_name: "default".to_owned(), ..twin };
    let answer = house.call::<CreateSecurityGroup>(reserved).await.map(|_| ());
    let text = "Cannot use reserved security group name: default";
    assert_eq!(answer, refused("InvalidParameterValue", text));

    let rule = house.allow(&db, tcp_from(5432, &web)).await.unwrap();
    let delete = |id: &str| DeleteSecurityGroupRequest { group_id: some(id), ..Default::default() };
    let answer = house.call::<DeleteSecurityGroup>(delete(&web)).await.map(|_| ());
    let text = format!("resource {web} has a dependent object");
    assert_eq!(answer, refused("DependencyViolation", &text));
    let revoke = RevokeSecurityGroupIngressRequest {
        group_id: some(&db),
        security_group_rule_ids: Some(vec![rule]),
        ..Default::default()
    };
    house.ok::<RevokeSecurityGroupIngress>(revoke).await;
    house.ok::<DeleteSecurityGroup>(delete(&web)).await;
    let answer = house.call::<DeleteSecurityGroup>(delete(&web)).await.map(|_| ());
    let text = format!("The security group '{web}' does not exist");
    assert_eq!(answer, refused("InvalidGroup.NotFound", &text));
    let own = house.peek().default_security_group(&house.snapshot(), &place(), &vpc).unwrap();
    let (code, _) = house.call::<DeleteSecurityGroup>(delete(&own.id)).await.unwrap_err();
    assert_eq!(code, "CannotDelete");
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_takes_an_interface_in_its_own_transaction() {
    let house = House::new();
    let peek = house.peek();
    let subnets = peek.default_subnets(&house.snapshot(), &place());
    assert_eq!(subnets.len(), 3);
    assert_eq!(subnets[1].range, range("172.31.16.0/20"));
    let (ids, request) = (house.doors.ids.ids(), house.wanted(&subnets[0].id, &[]));
    let made = house.doors.ledger.transact(|tx| {
        let made = peek.allocate_interface(tx, &ids, &request).unwrap();
        Ok::<_, LedgerError>(made)
    });
    let made = made.unwrap().durable().await.unwrap();
    assert_eq!(made.private_ip, Ipv4Addr::new(172, 31, 0, 4));
    assert_eq!((made.prefix, made.gateway), (20, Ipv4Addr::new(172, 31, 0, 1)));
    assert_eq!(made.mac, "0a:58:ac:1f:00:04");
    assert_eq!(peek.interface(&house.snapshot(), &place(), &made.id), Some(made.clone()));
    let held = peek.interfaces_of(&house.snapshot(), "ecs.amazonaws.com");
    assert_eq!(held, [(place(), made.clone())]);

    let shown = house.ok::<DescribeNetworkInterfaces>(Default::default()).await;
    let shown = &shown.network_interfaces.unwrap()[0];
    assert_eq!(shown.private_ip_address.as_deref(), Some("172.31.0.4"));
    assert_eq!(shown.private_dns_name.as_deref(), Some("ip-172-31-0-4.ec2.internal"));
    assert_eq!(shown.status, Some(NetworkInterfaceStatus::InUse));
    assert_eq!(shown.requester_managed, Some(true));
    assert_eq!(shown.groups.as_ref().unwrap()[0].group_name.as_deref(), Some("default"));
    let delete = DeleteNetworkInterfaceRequest {
        network_interface_id: made.id.clone(),
        ..Default::default()
    };
    let answer = house.call::<DeleteNetworkInterface>(delete).await.map(|_| ());
    let text = format!("Network interface '{}' is currently in use.", made.id);
    assert_eq!(answer, refused("InvalidNetworkInterface.InUse", &text));

    let _ = house.doors.ledger.write(|tx| {
        peek.release_interface(tx, &place(), &made.id);
        peek.release_interface(tx, &place(), &made.id); // none is fine
    });
    assert_eq!(house.default_subnets().await[0].available_ip_address_count, Some(4091));
}

#[tokio::test(start_paused = true)]
async fn a_full_subnet_says_so_and_freed_addresses_come_back_in_rounds() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let subnet = house.subnet(&vpc, "10.0.0.0/28").await.unwrap();
    let (peek, ids, request) = (house.peek(), house.doors.ids.ids(), house.wanted(&subnet, &[]));
    let take = || house.doors.ledger.write(|tx| peek.allocate_interface(tx, &ids, &request));
    let mut held = Vec::new();
    for _ in 0..11 {
        held.push(take().durable().await.unwrap().unwrap());
    }
    let distinct: BTreeSet<_> = held.iter().map(|it| it.private_ip).collect();
    let all: BTreeSet<_> = (4..15).map(|last| Ipv4Addr::new(10, 0, 0, last)).collect();
    assert_eq!(distinct, all);
    let full = take().durable().await.unwrap();
    assert_eq!(full, Err(InterfaceError::InsufficientFreeAddresses(subnet.clone())));
    let input = CreateNetworkInterfaceRequest { subnet_id: subnet.clone(), ..Default::default() };
    let (code, _) = house.call::<CreateNetworkInterface>(input).await.unwrap_err();
    assert_eq!(code, "InsufficientFreeAddressesInSubnet");

    for interface in [&held[2], &held[0]] {
        let gone = |tx: &mut Tx| peek.release_interface(tx, &place(), &interface.id);
        house.doors.ledger.write(gone).durable().await.unwrap();
    }
    let next = take().durable().await.unwrap().unwrap();
    assert_eq!(next.private_ip, held[0].private_ip);
    let next = take().durable().await.unwrap().unwrap();
    assert_eq!(next.private_ip, held[2].private_ip);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_named_and_nothing_is_written() {
    let house = House::new();
    let (peek, ids) = (house.peek(), house.doors.ids.ids());
    let subnet = peek.default_subnets(&house.snapshot(), &place())[0].id.clone();
    let other_vpc = house.vpc("10.0.0.0/16").await;
    let stranger = house.group(&other_vpc, "web").await;
    let cases = [
        (house.wanted("subnet-1", &[]), InterfaceError::SubnetNotFound("subnet-1".into())),
        (house.wanted(&subnet, &["sg-1"]), InterfaceError::GroupNotFound("sg-1".into())),
        (house.wanted(&subnet, &[&stranger]), InterfaceError::GroupInOtherVpc(stranger.clone())),
    ];
    for (request, error) in cases {
        let answer = house.doors.ledger.write(|tx| peek.allocate_interface(tx, &ids, &request));
        assert_eq!(answer.durable().await.unwrap(), Err(error));
    }
    let left = house.ok::<DescribeNetworkInterfaces>(Default::default()).await;
    assert_eq!(left.network_interfaces.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn references_between_groups_name_them_whoever_their_members_are() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let subnet = house.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let (web, db) = (house.group(&vpc, "web").await, house.group(&vpc, "db").await);
    house.allow(&db, tcp_from(5432, &web)).await.unwrap();
    let mut feed = house.doors.ledger.changes();
    house.allow(&db, tcp(22, "10.9.0.0/16")).await.unwrap();
    let (peek, ids) = (house.peek(), house.doors.ids.ids());
    assert!(peek.concerns_rules(&feed.next().await.unwrap()));
    let tcp = |port, peer| Allowed { protocol: Some(6), ports: Some((port, port)), peer };
    let ssh = tcp(22, AllowedPeer::Range(range("10.9.0.0/16")));
    let members = tcp(5432, AllowedPeer::Group(web.clone()));
    let rules = peek.rules(&house.snapshot(), &place(), std::slice::from_ref(&db));
    assert_eq!(rules.ingress, [ssh, members]);
    let peer = AllowedPeer::Range(range("0.0.0.0/0"));
    assert_eq!(rules.egress, [Allowed { protocol: None, ports: None, peer }]);

    // members come and go, and rules stay what they are
    let request = house.wanted(&subnet, &[&web]);
    let made = house.doors.ledger.write(|tx| peek.allocate_interface(tx, &ids, &request));
    let made = made.durable().await.unwrap().unwrap();
    assert!(!peek.concerns_rules(&feed.next().await.unwrap()));
    let own = CreateNetworkInterfaceRequest {
        subnet_id: subnet,
        groups: Some(vec![web]),
        ..Default::default()
    };
    let own = house.ok::<CreateNetworkInterface>(own).await.network_interface.unwrap();
    assert!(!peek.concerns_rules(&feed.next().await.unwrap()));
    let moved = ModifyNetworkInterfaceAttributeRequest {
        network_interface_id: own.network_interface_id.unwrap(),
        groups: Some(vec![db]),
        ..Default::default()
    };
    house.ok::<ModifyNetworkInterfaceAttribute>(moved).await;
    assert!(peek.concerns_rules(&feed.next().await.unwrap()));
    let gone = |tx: &mut Tx| peek.release_interface(tx, &place(), &made.id);
    house.doors.ledger.write(gone).durable().await.unwrap();
    assert!(!peek.concerns_rules(&feed.next().await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn interfaces_hold_the_addresses_that_they_are_given() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let subnet = house.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let input = |address: &str| CreateNetworkInterfaceRequest {
        subnet_id: subnet.clone(),
        private_ip_address: some(address),
        secondary_private_ip_address_count: Some(2),
        ..Default::default()
    };
    let made = house.ok::<CreateNetworkInterface>(input("10.0.0.10")).await;
    let made = made.network_interface.unwrap();
    let held = made.private_ip_addresses.unwrap();
    assert_eq!(held.len(), 3);
    assert_eq!((held[0].primary, held[1].primary), (Some(true), Some(false)));
    for (address, code) in [
        ("10.0.0.10", "InvalidIPAddress.InUse"),
        ("10.0.0.3", "InvalidParameterValue"),
        ("10.0.0.255", "InvalidParameterValue"),
        ("10.0.1.10", "InvalidParameterValue"),
    ] {
        let answer = house.call::<CreateNetworkInterface>(input(address)).await;
        assert_eq!(answer.unwrap_err().0, code, "{address}");
    }
    let id = made.network_interface_id.unwrap();
    let drop = |address: &Option<String>| UnassignPrivateIpAddressesRequest {
        network_interface_id: id.clone(),
        private_ip_addresses: Some(address.iter().cloned().collect()),
        ..Default::default()
    };
    house.ok::<UnassignPrivateIpAddresses>(drop(&held[1].private_ip_address)).await;
    let primary = drop(&held[0].private_ip_address);
    let (code, _) = house.call::<UnassignPrivateIpAddresses>(primary).await.unwrap_err();
    assert_eq!(code, "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn an_elastic_address_stands_for_one_interface_at_a_time() {
    let house = House::new();
    let vpc = house.vpc("10.0.0.0/16").await;
    let subnet = house.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let mut interfaces = Vec::new();
    for _ in 0..2 {
        let input =
            CreateNetworkInterfaceRequest { subnet_id: subnet.clone(), ..Default::default() };
        let made = house.ok::<CreateNetworkInterface>(input).await.network_interface.unwrap();
        interfaces.push(made.network_interface_id.unwrap());
    }
    let address = house.ok::<AllocateAddress>(Default::default()).await;
    let link = |interface: &str, moves: bool| AssociateAddressRequest {
        allocation_id: address.allocation_id.clone(),
        network_interface_id: some(interface),
        allow_reassociation: Some(moves),
        ..Default::default()
    };
    house.ok::<AssociateAddress>(link(&interfaces[0], false)).await;
    let answer = house.call::<AssociateAddress>(link(&interfaces[1], false)).await;
    assert_eq!(answer.unwrap_err().0, "Resource.AlreadyAssociated");
    house.ok::<AssociateAddress>(link(&interfaces[1], true)).await;
    let public = address.public_ip.clone().unwrap();
    let input = DescribeNetworkInterfacesRequest {
        filters: Some(vec![filter("association.public-ip", &[&public])]),
        ..Default::default()
    };
    let found = house.ok::<DescribeNetworkInterfaces>(input).await.network_interfaces.unwrap();
    let found: Vec<_> = found.iter().filter_map(|it| it.network_interface_id.clone()).collect();
    assert_eq!(found, [interfaces[1].clone()]);

    let delete = DeleteNetworkInterfaceRequest {
        network_interface_id: interfaces[1].clone(),
        ..Default::default()
    };
    house.ok::<DeleteNetworkInterface>(delete).await;
    let shown = house.ok::<DescribeAddresses>(Default::default()).await.addresses.unwrap();
    assert_eq!((shown.len(), shown[0].association_id.clone()), (1, None));
    let release =
        ReleaseAddressRequest { allocation_id: address.allocation_id, ..Default::default() };
    house.ok::<ReleaseAddress>(release.clone()).await;
    assert_eq!(
        house.call::<ReleaseAddress>(release).await.unwrap_err().0,
        "InvalidAllocationID.NotFound"
    );
}

#[tokio::test(start_paused = true)]
async fn attributes_of_addresses_are_told_in_pages() {
    let house = House::new();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(house.ok::<AllocateAddress>(Default::default()).await.allocation_id);
    }
    made.sort();
    let mut input =
        DescribeAddressesAttributeRequest { max_results: Some(2), ..Default::default() };
    let mut told = Vec::new();
    for length in [2, 1] {
        let page = house.ok::<DescribeAddressesAttribute>(input.clone()).await;
        let addresses = page.addresses.unwrap();
        assert_eq!(addresses.len(), length);
        told.extend(addresses.into_iter().map(|address| address.allocation_id));
        input.next_token = page.next_token;
    }
    assert_eq!((told, input.next_token.take()), (made, None));
    input.next_token = some("junk");
    let (code, text) = house.call::<DescribeAddressesAttribute>(input).await.unwrap_err();
    assert_eq!(code, "InvalidParameterValue");
    assert_eq!(text, "Invalid value for 'nextToken'.");
}

#[tokio::test(start_paused = true)]
async fn addresses_come_from_the_pool_and_the_place_that_there_are() {
    let house = House::new();
    let ask = |pool: Option<&str>, group: Option<&str>| AllocateAddressRequest {
        public_ipv4_pool: pool.map(str::to_owned),
        network_border_group: group.map(str::to_owned),
        ..Default::default()
    };
    let made = house.ok::<AllocateAddress>(ask(Some("amazon"), Some("us-east-1"))).await;
    for (input, code) in [
        (ask(Some("ipv4pool-ec2-012345"), None), "InvalidPublicIpv4PoolID.NotFound"),
        (ask(None, Some("us-west-2")), "InvalidParameterValue"),
        (ask(None, Some("us-east-1-wl1-bos-wlz-1")), "InvalidParameterValue"),
    ] {
        assert_eq!(house.call::<AllocateAddress>(input).await.unwrap_err().0, code);
    }
    let mut release = ReleaseAddressRequest {
        allocation_id: made.allocation_id,
        network_border_group: some("us-west-2"),
        ..Default::default()
    };
    let refused = house.call::<ReleaseAddress>(release.clone()).await.unwrap_err();
    assert_eq!(refused.0, "InvalidAddress.NotFound");
    release.network_border_group = some("us-east-1");
    house.ok::<ReleaseAddress>(release).await;
}

#[tokio::test(start_paused = true)]
async fn an_interface_has_as_many_groups_as_the_account_is_told() {
    let house = House::new();
    let told = house.ok::<DescribeAccountAttributes>(Default::default()).await.account_attributes;
    let is_it = |one: &&AccountAttribute| {
        one.attribute_name.as_deref() == Some("vpc-max-security-groups-per-interface")
    };
    let told = told.iter().flatten().find(is_it).unwrap().attribute_values.clone().unwrap();
    assert_eq!(told[0].attribute_value.as_deref(), Some("5"));
    let vpc = house.vpc("10.0.0.0/16").await;
    let subnet = house.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let mut groups = Vec::new();
    for number in 0..6 {
        groups.push(house.group(&vpc, &format!("g{number}")).await);
    }
    let with = |groups: &[String]| CreateNetworkInterfaceRequest {
        subnet_id: subnet.clone(),
        groups: Some(groups.to_vec()),
        ..Default::default()
    };
    house.ok::<CreateNetworkInterface>(with(&groups[..5])).await;
    let refused = house.call::<CreateNetworkInterface>(with(&groups)).await.unwrap_err();
    assert_eq!(refused.0, "SecurityGroupsPerInterfaceLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn who_adds_a_rule_is_told_its_tags_only_where_it_has_some() {
    let house = House::new();
    let vpc = house.default_vpc().await.vpc_id.unwrap();
    let group = house.group(&vpc, "web").await;
    let mut input = AuthorizeSecurityGroupIngressRequest {
        group_id: some(&group),
        ip_permissions: Some(vec![tcp(80, "0.0.0.0/0")]),
        ..Default::default()
    };
    let added = house.ok::<AuthorizeSecurityGroupIngress>(input.clone()).await;
    assert!(added.security_group_rules.unwrap()[0].tags.is_none());
    let tag = Tag { key: some("Name"), value: some("open") };
    input.ip_permissions = Some(vec![tcp(443, "0.0.0.0/0")]);
    input.tag_specifications = Some(vec![TagSpecification {
        resource_type: Some(ResourceType::SecurityGroupRule),
        tags: Some(vec![tag]),
    }]);
    let added = house.ok::<AuthorizeSecurityGroupIngress>(input).await;
    let rule = &added.security_group_rules.unwrap()[0];
    assert_eq!(rule.tags.as_ref().unwrap()[0].value.as_deref(), Some("open"));
}
