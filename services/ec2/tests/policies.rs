//! What policies say of a resource holds whichever way a request names it.

#![allow(clippy::unwrap_used)]

mod house;

use haar_ec2_contract::*;
use haar_wire::Operation;
use house::{House, some, tcp};

/// Nothing may be done to what has the tag `locked`.
const LOCKED: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Deny", "Action": "ec2:*", "Resource": "*",
        "Condition": { "StringEquals": { "aws:ResourceTag/locked": "yes" } }
    }]
}"#;

fn locked() -> Tag {
    Tag { key: some("locked"), value: some("yes") }
}

async fn lock(house: &House, ids: &[&str]) {
    let resources = ids.iter().map(|id| (*id).to_owned()).collect();
    let input = CreateTagsRequest { resources, tags: vec![locked()], ..Default::default() };
    house.ok::<CreateTags>(input).await;
}

async fn denied<O: Operation>(house: &House, input: O::Input) {
    let code = house.call::<O>(input).await.err().map(|(code, _)| code);
    assert_eq!(code.as_deref(), Some("UnauthorizedOperation"), "{}", O::SCHEMA.name);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_in_a_vpc_is_the_vpcs_too() {
    let house = House::under(LOCKED);
    let vpc = house.default_vpc().await.vpc_id.unwrap();
    lock(&house, &[&vpc]).await;
    for vpc_id in [Some(vpc.clone()), None] {
        let input = CreateSecurityGroupRequest {
            group_name: "web".to_owned(),
            description: "web".to_owned(),
            vpc_id,
            ..Default::default()
        };
        denied::<CreateSecurityGroup>(&house, input).await;
    }
    let input = CreateSubnetRequest {
        vpc_id: vpc.clone(),
        cidr_block: some("172.31.128.0/24"),
        ..Default::default()
    };
    denied::<CreateSubnet>(&house, input).await;
    let input = CreateRouteTableRequest { vpc_id: vpc, ..Default::default() };
    denied::<CreateRouteTable>(&house, input).await;
    let other = house.vpc("10.7.0.0/16").await;
    house.group(&other, "web").await;
    house.subnet(&other, "10.7.1.0/24").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_group_is_the_same_by_its_name() {
    let house = House::under(LOCKED);
    let vpc = house.default_vpc().await.vpc_id.unwrap();
    let (web, db) = (house.group(&vpc, "web").await, house.group(&vpc, "db").await);
    let rule = house.allow(&web, tcp(443, "0.0.0.0/0")).await.unwrap();
    lock(&house, &[&web]).await;
    let named = || some("web");
    denied::<DeleteSecurityGroup>(
        &house,
        DeleteSecurityGroupRequest { group_name: named(), ..Default::default() },
    )
    .await;
    let ip_permissions = Some(vec![tcp(80, "0.0.0.0/0")]);
    denied::<AuthorizeSecurityGroupIngress>(
        &house,
        AuthorizeSecurityGroupIngressRequest {
            group_name: named(),
            ip_permissions: ip_permissions.clone(),
            ..Default::default()
        },
    )
    .await;
    denied::<RevokeSecurityGroupIngress>(
        &house,
        RevokeSecurityGroupIngressRequest {
            group_name: named(),
            ip_permissions,
            ..Default::default()
        },
    )
    .await;
    // Nor by way of another group.
    let description =
        SecurityGroupRuleDescription { security_group_rule_id: Some(rule), description: some("x") };
    let input = UpdateSecurityGroupRuleDescriptionsIngressRequest {
        group_id: Some(db),
        security_group_rule_descriptions: Some(vec![description]),
        ..Default::default()
    };
    let foreign = house.call::<UpdateSecurityGroupRuleDescriptionsIngress>(input).await;
    assert_eq!(foreign.unwrap_err().0, "InvalidSecurityGroupRuleId.NotFound");
    let input = DeleteSecurityGroupRequest { group_name: some("db"), ..Default::default() };
    house.ok::<DeleteSecurityGroup>(input).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_is_the_same_by_its_numbers() {
    let house = House::under(LOCKED);
    let mut made = Vec::new();
    for _ in 0..2 {
        made.push(house.ok::<AllocateAddress>(AllocateAddressRequest::default()).await);
    }
    lock(&house, &[made[0].allocation_id.as_deref().unwrap()]).await;
    let release = |at: usize| ReleaseAddressRequest {
        public_ip: made[at].public_ip.clone(),
        ..Default::default()
    };
    denied::<ReleaseAddress>(&house, release(0)).await;
    let public_ip = made[0].public_ip.clone();
    let input = AssociateAddressRequest { public_ip: public_ip.clone(), ..Default::default() };
    denied::<AssociateAddress>(&house, input).await;
    let input = DisassociateAddressRequest { public_ip, ..Default::default() };
    denied::<DisassociateAddress>(&house, input).await;
    house.ok::<ReleaseAddress>(release(1)).await;
}

#[tokio::test(start_paused = true)]
async fn each_of_several_is_weighed_by_its_own_tags() {
    let house = House::under(LOCKED);
    let (free, held) = (house.vpc("10.1.0.0/16").await, house.vpc("10.2.0.0/16").await);
    lock(&house, &[&free, &held]).await;
    let input = DeleteTagsRequest { resources: vec![free.clone()], ..Default::default() };
    denied::<DeleteTags>(&house, input).await;

    let open = house.vpc("10.3.0.0/16").await;
    let tag = Tag { key: some("team"), value: some("blue") };
    for (resources, is_denied) in [
        (vec![open.clone(), held.clone()], true),
        (vec![held, open.clone()], true),
        (vec![open.clone()], false),
    ] {
        let input = CreateTagsRequest { resources, tags: vec![tag.clone()], ..Default::default() };
        match is_denied {
            true => denied::<CreateTags>(&house, input).await,
            false => assert_eq!(house.ok::<CreateTags>(input).await, CreateTagsOutput {}),
        }
    }
    let input = CreateVpcEndpointRequest {
        vpc_id: open,
        service_name: some("com.amazonaws.us-east-1.s3"),
        ..Default::default()
    };
    let made = house.ok::<CreateVpcEndpoint>(input).await.vpc_endpoint.unwrap();
    let endpoint = made.vpc_endpoint_id.unwrap();
    lock(&house, &[&endpoint]).await;
    let input =
        DeleteVpcEndpointsRequest { vpc_endpoint_ids: vec![endpoint], ..Default::default() };
    denied::<DeleteVpcEndpoints>(&house, input).await;
}

#[tokio::test(start_paused = true)]
async fn an_association_is_weighed_as_what_has_it() {
    let house = House::under(LOCKED);
    let vpc = house.vpc("10.1.0.0/16").await;
    let subnet = house.subnet(&vpc, "10.1.1.0/24").await.unwrap();
    let mut tables = Vec::new();
    for _ in 0..2 {
        let input = CreateRouteTableRequest { vpc_id: vpc.clone(), ..Default::default() };
        let made = house.ok::<CreateRouteTable>(input).await.route_table.unwrap();
        tables.push(made.route_table_id.unwrap());
    }
    let input = AssociateRouteTableRequest {
        route_table_id: tables[0].clone(),
        subnet_id: Some(subnet),
        ..Default::default()
    };
    let association_id = house.ok::<AssociateRouteTable>(input).await.association_id.unwrap();
    let input = AssociateVpcCidrBlockRequest {
        vpc_id: vpc.clone(),
        cidr_block: some("10.2.0.0/16"),
        ..Default::default()
    };
    let range = house.ok::<AssociateVpcCidrBlock>(input).await.cidr_block_association.unwrap();
    lock(&house, &[&tables[0], &vpc]).await;
    let input = ReplaceRouteTableAssociationRequest {
        association_id: association_id.clone(),
        route_table_id: tables[1].clone(),
        ..Default::default()
    };
    denied::<ReplaceRouteTableAssociation>(&house, input).await;
    let input = DisassociateRouteTableRequest { association_id, ..Default::default() };
    denied::<DisassociateRouteTable>(&house, input).await;
    let association_id = range.association_id.unwrap();
    denied::<DisassociateVpcCidrBlock>(&house, DisassociateVpcCidrBlockRequest { association_id })
        .await;
}
