"""EC2's networks: the default VPC, VPCs of one's own, groups, routes, addresses, interfaces."""

import ipaddress

import pytest

from support.cli import aws_cli
from support.cloud import until
from support.enforced import refusal, root_of, user_of


@pytest.fixture
def ec2(cloud):
    """An account of its own for each test, by its twelve-digit key."""
    ec2.number = getattr(ec2, "number", 300000000000) + 1
    return cloud.client("ec2", key=str(ec2.number))


@pytest.fixture
def aws(cloud, clients, tmp_path):
    return aws_cli(cloud, clients, tmp_path)


def test_an_account_has_a_default_vpc_that_nobody_made(ec2):
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    # as on AWS, or the next below where another cloud of this host has that
    assert vpc["CidrBlock"] in [f"172.{second}.0.0/16" for second in range(16, 32)]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert {s["AvailabilityZone"] for s in subnets} == {z["ZoneName"] for z in zones}
    assert all(s["AvailableIpAddressCount"] == 4091 for s in subnets)
    tables = ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}])["RouteTables"]
    routes = {r["DestinationCidrBlock"]: r["GatewayId"] for r in tables[0]["Routes"]}
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]
    assert routes == {vpc["CidrBlock"]: "local", "0.0.0.0/0": gateway["InternetGatewayId"]}
    assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}]
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]
    assert group["VpcId"] == vpc["VpcId"]
    attribute = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
    assert attribute["EnableDnsHostnames"] == {"Value": True}
    options = ec2.describe_dhcp_options(DhcpOptionsIds=[vpc["DhcpOptionsId"]])["DhcpOptions"][0]
    names = {o["Key"]: o["Values"][0]["Value"] for o in options["DhcpConfigurations"]}
    assert names == {"domain-name": "ec2.internal", "domain-name-servers": "AmazonProvidedDNS"}
    attributes = ec2.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"]
    assert attributes[0]["AttributeValues"][0]["AttributeValue"] == vpc["VpcId"]


def test_a_public_and_a_private_subnet_as_every_template_makes_them(ec2):
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "shop"}]}]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    public = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="us-east-1b")["Subnet"]
    private = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]
    assert public["AvailabilityZoneId"] == "use1-az2"
    ec2.get_waiter("subnet_available").wait(SubnetIds=[public["SubnetId"], private["SubnetId"]])
    ec2.modify_subnet_attribute(SubnetId=public["SubnetId"], MapPublicIpOnLaunch={"Value": True})

    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    outside = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=outside, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    used = ec2.associate_route_table(RouteTableId=outside, SubnetId=public["SubnetId"])["AssociationId"]

    address = ec2.allocate_address(Domain="vpc")
    assert ipaddress.ip_address(address["PublicIp"]) in ipaddress.ip_network("198.18.0.0/15")
    nat = ec2.create_nat_gateway(SubnetId=public["SubnetId"], AllocationId=address["AllocationId"])["NatGateway"]
    ec2.get_waiter("nat_gateway_available").wait(
        NatGatewayIds=[nat["NatGatewayId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    inside = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=inside, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat["NatGatewayId"])
    shown = ec2.describe_route_tables(RouteTableIds=[inside])["RouteTables"][0]["Routes"]
    assert [r["State"] for r in shown] == ["active", "active"]

    code, text = refusal(ec2.delete_vpc, VpcId=vpc)
    assert (code, text) == ("DependencyViolation", f"The vpc '{vpc}' has dependencies and cannot be deleted.")
    ec2.delete_nat_gateway(NatGatewayId=nat["NatGatewayId"])
    until(lambda: ec2.describe_nat_gateways(NatGatewayIds=[nat["NatGatewayId"]])["NatGateways"][0]["State"],
          lambda state: state == "deleted")
    shown = ec2.describe_route_tables(RouteTableIds=[inside])["RouteTables"][0]["Routes"]
    assert [r["State"] for r in shown] == ["active", "blackhole"]
    ec2.release_address(AllocationId=address["AllocationId"])
    ec2.disassociate_route_table(AssociationId=used)
    for table in (outside, inside):
        ec2.delete_route_table(RouteTableId=table)
    for subnet in (public, private):
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_vpc(VpcId=vpc)
    assert refusal(ec2.describe_vpcs, VpcIds=[vpc]) == (
        "InvalidVpcID.NotFound", f"The vpc ID '{vpc}' does not exist")


def test_groups_and_rules(ec2):
    group = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]
    http = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
            "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "everybody"}],
            "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    own = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    added = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[http, own])
    assert len(added["SecurityGroupRules"]) == 3
    shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    by_protocol = {p["IpProtocol"]: p for p in shown["IpPermissions"]}
    assert by_protocol["tcp"]["IpRanges"] == http["IpRanges"]
    assert by_protocol["tcp"]["Ipv6Ranges"] == http["Ipv6Ranges"]
    assert by_protocol["-1"]["UserIdGroupPairs"][0]["GroupId"] == group
    assert "FromPort" not in by_protocol["-1"]
    code, text = refusal(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[own])
    assert code == "InvalidPermission.Duplicate"
    assert text == f'the specified rule "peer: {group}, ALL, ALLOW" already exists'
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    ids = [r["SecurityGroupRuleId"] for r in rules["SecurityGroupRules"] if not r["IsEgress"]]
    assert len(ids) == 3
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=ids)
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    shown = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["w*b"]}])["SecurityGroups"][0]
    assert shown["IpPermissions"] == shown["IpPermissionsEgress"] == []
    ec2.delete_security_group(GroupId=group)
    assert refusal(ec2.delete_security_group, GroupId=group) == (
        "InvalidGroup.NotFound", f"The security group '{group}' does not exist")


def test_interfaces_pages_and_tags(ec2):
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    made = [ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"] for _ in range(6)]
    held = {i["PrivateIpAddress"] for i in made}
    assert len(held) == 6
    pages = ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 5})
    found = [i["NetworkInterfaceId"] for page in pages for i in page["NetworkInterfaces"]]
    assert sorted(found) == sorted(i["NetworkInterfaceId"] for i in made)
    one = made[0]["NetworkInterfaceId"]
    ec2.create_tags(Resources=[one], Tags=[{"Key": "a", "Value": "ü & <b>"}])
    wanted = [{"Name": "tag:a", "Values": ["ü & <b>"]}]
    assert ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"][0]["NetworkInterfaceId"] == one
    assert ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [one]}])["Tags"][0]["Value"] == "ü & <b>"
    for interface in made:
        ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    free = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"]
    assert free == 4091


def test_the_aws_cli_and_what_is_not_there(aws):
    vpc = aws("ec2", "describe-vpcs", "--filters", "Name=is-default,Values=true", "--query", "Vpcs[0].VpcId")
    group = aws("ec2", "create-security-group", "--group-name", "by-cli", "--description", "d",
                "--vpc-id", vpc)["GroupId"]
    aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp",
        "--port", "22", "--cidr", "10.0.0.0/8")
    complaint = aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp",
                    "--port", "22", "--cidr", "10.0.0.0/8", fails=True)
    assert "(InvalidPermission.Duplicate) when calling the AuthorizeSecurityGroupIngress operation" in complaint
    aws("ec2", "delete-security-group", "--group-id", group)
    complaint = aws("ec2", "create-vpc", "--cidr-block", "10.0.0.0/16", "--dry-run", fails=True)
    assert "(DryRunOperation)" in complaint
    complaint = aws("ec2", "run-instances", "--image-id", "ami-1", fails=True)
    assert "(NotImplemented)" in complaint and "ec2.RunInstances" in complaint


def test_networks_survive_a_crash(tmp_path, new_cloud):
    cloud = new_cloud(data_dir=tmp_path / "data")
    ec2 = cloud.client("ec2")
    before = ec2.describe_subnets()["Subnets"]
    interface = ec2.create_network_interface(SubnetId=before[0]["SubnetId"])["NetworkInterface"]
    cloud.kill()
    cloud.start()
    ec2 = cloud.client("ec2")
    after = ec2.describe_subnets()["Subnets"]
    assert [s["SubnetId"] for s in after] == [s["SubnetId"] for s in before]
    assert ec2.describe_network_interfaces()["NetworkInterfaces"][0] == interface
    second = ec2.create_network_interface(SubnetId=before[0]["SubnetId"])["NetworkInterface"]
    assert second["PrivateIpAddress"] != interface["PrivateIpAddress"]


def test_policies_decide_in_ec2s_words(new_cloud):
    cloud = new_cloud("--auth", "enforce")
    root = root_of(cloud)
    only_tagged = {"Effect": "Allow", "Action": "ec2:DeleteVpc", "Resource": "*",
                   "Condition": {"StringEquals": {"aws:ResourceTag/mine": "yes"}}}
    looks = {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}
    user = cloud.client("ec2", **user_of(cloud, root, "networker", looks, only_tagged))
    owner = cloud.client("ec2", **root)
    assert user.describe_vpcs()["Vpcs"]
    code, text = refusal(user.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)
    assert code == "UnauthorizedOperation"
    assert text.startswith("You are not authorized to perform this operation. User: arn:aws:iam::")
    vpc = owner.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert refusal(user.delete_vpc, VpcId=vpc)[0] == "UnauthorizedOperation"
    owner.create_tags(Resources=[vpc], Tags=[{"Key": "mine", "Value": "yes"}])
    user.delete_vpc(VpcId=vpc)
