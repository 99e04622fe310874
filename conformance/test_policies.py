"""`--auth enforce`: signatures and policies decide every call."""

import json
import time
import urllib.request
from urllib.error import HTTPError

import pytest

from support.cloud import ACCOUNT
from support.functions import Functions
from support.policies import TRUST_LAMBDA, allow, document, refusal


def test_the_root_may_do_everything(closed, root):
    who = closed.client("sts", **root).get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert closed.client("lambda", **root).list_functions()["Functions"] == []


def test_strangers_are_refused(closed, root):
    code, _, status = refusal(closed.client("sts").get_caller_identity)
    assert (code, status) == ("InvalidClientTokenId", 403)
    code, _, status = refusal(closed.client("lambda").list_functions)
    assert (code, status) == ("UnrecognizedClientException", 403)
    wrong = {**root, "secret": "x" * 40}
    code, message, status = refusal(closed.client("sts", **wrong).get_caller_identity)
    assert (code, status) == ("SignatureDoesNotMatch", 403)
    assert "The request signature we calculated does not match the signature you provided." in message
    code, _, status = refusal(closed.client("lambda", **wrong).list_functions)
    assert (code, status) == ("InvalidSignatureException", 403)
    status, headers, body = closed.http("GET", "/2015-03-31/functions")
    assert status == 403 and b"Missing" in body


def test_denials_say_who_what_and_why(closed, user):
    dev = user("dev", allow("lambda:ListFunctions"), {"Effect": "Deny", "Action": "logs:*", "Resource": "*"})
    assert closed.client("lambda", **dev).list_functions()["Functions"] == []
    arn = f"arn:aws:iam::{ACCOUNT}:user/dev"
    code, message, status = refusal(closed.client("iam", **dev).list_users)
    assert (code, status) == ("AccessDenied", 403)
    assert message == (
        f"User: {arn} is not authorized to perform: iam:ListUsers on resource: "
        f"arn:aws:iam::{ACCOUNT}:user/ because no identity-based policy allows the iam:ListUsers action"
    )
    lambdas = closed.client("lambda", **dev)
    code, message, status = refusal(lambdas.get_function, FunctionName="any")
    assert (code, status) == ("AccessDeniedException", 403)
    assert message == (
        f"User: {arn} is not authorized to perform: lambda:GetFunction on resource: "
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:any because no identity-based policy allows "
        "the lambda:GetFunction action"
    )
    code, message, status = refusal(closed.client("logs", **dev).describe_log_groups)
    assert (code, status) == ("AccessDeniedException", 400)
    assert message.endswith("with an explicit deny in an identity-based policy")


def test_resources_and_conditions_are_weighed(closed, user):
    functions = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:mine-*"
    here = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    dev = user("narrow", allow("lambda:GetFunction", resource=functions, Condition=here))
    client = closed.client("lambda", **dev)
    assert refusal(client.get_function, FunctionName="mine-1")[0] == "ResourceNotFoundException"
    assert refusal(client.get_function, FunctionName="yours")[0] == "AccessDeniedException"
    elsewhere = closed.client("lambda", region="eu-west-1", **dev)
    assert refusal(elsewhere.get_function, FunctionName="mine-1")[0] == "AccessDeniedException"


def test_a_boundary_bounds(closed, iam, user):
    bound = iam.create_policy(PolicyName="bound", PolicyDocument=document(allow("logs:*")))["Policy"]
    dev = user("bounded", allow("*"), PermissionsBoundary=bound["Arn"])
    assert closed.client("logs", **dev).describe_log_groups()["logGroups"] == []
    code, message, _ = refusal(closed.client("lambda", **dev).list_functions)
    assert code == "AccessDeniedException" and "permissions boundary" in message


def test_a_boundary_narrows_no_grant_to_its_user_or_to_anyone(closed, root, iam, user):
    bound = iam.create_policy(PolicyName="narrow", PolicyDocument=document(allow("logs:*")))["Policy"]
    dev = closed.client("sqs", **user("narrowed", PermissionsBoundary=bound["Arn"]))
    sqs = closed.client("sqs", **root)
    url = sqs.create_queue(QueueName="granted")["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:granted"
    assert refusal(dev.receive_message, QueueUrl=url)[0] == "AccessDenied"
    for principal in ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/narrowed"}, "*"):
        policy = document(allow("sqs:ReceiveMessage", resource=queue, Principal=principal))
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        assert "Messages" not in dev.receive_message(QueueUrl=url)
    others = {"Effect": "Deny", "NotPrincipal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/narrowed"}}
    policy = document(
        allow("sqs:ReceiveMessage", resource=queue, Principal="*"),
        {**others, "Action": "sqs:*", "Resource": queue},
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert refusal(dev.receive_message, QueueUrl=url)[0] == "AccessDenied"


def test_a_role_is_assumed_where_it_trusts(closed, iam, user):
    dev = user("assumer", allow("sts:AssumeRole"))
    arn = f"arn:aws:iam::{ACCOUNT}:user/assumer"
    trusts = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document(trusts))["Role"]
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document(allow("lambda:*", "logs:*")))
    shut = iam.create_role(RoleName="shut", AssumeRolePolicyDocument=document(TRUST_LAMBDA))["Role"]
    sts = closed.client("sts", **dev)
    code, message, _ = refusal(sts.assume_role, RoleArn=shut["Arn"], RoleSessionName="session")
    assert code == "AccessDenied"
    assert f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {shut['Arn']}" in message

    session = document(allow("lambda:ListFunctions"))
    taken = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session", Policy=session)
    found = taken["Credentials"]
    assert found["AccessKeyId"].startswith("ASIA")
    keys = {"key": found["AccessKeyId"], "secret": found["SecretAccessKey"], "token": found["SessionToken"]}
    who = closed.client("sts", **keys).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/session"
    assert closed.client("lambda", **keys).list_functions()["Functions"] == []
    code, message, _ = refusal(closed.client("logs", **keys).describe_log_groups)
    assert code == "AccessDeniedException" and "session policy" in message
    broken = {**keys, "token": found["SessionToken"][:-4] + "AAAA"}
    assert refusal(closed.client("sts", **broken).get_caller_identity)[2] == 403


def test_a_presigned_request_is_taken_until_it_expires(closed, root):
    sts = closed.client("sts", **root)
    url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert f"arn:aws:iam::{ACCOUNT}:root".encode() in answer.read()
    with pytest.raises(HTTPError) as tampered:
        urllib.request.urlopen(url.replace("GetCallerIdentity", "GetSessionToken"), timeout=30)
    assert tampered.value.code == 403
    short = sts.generate_presigned_url("get_caller_identity", ExpiresIn=1, HttpMethod="GET")
    time.sleep(2.5)
    with pytest.raises(HTTPError) as late:
        urllib.request.urlopen(short, timeout=30)
    assert late.value.code == 403


def test_a_function_runs_with_its_role(closed, root, iam):
    role = iam.create_role(RoleName="runner", AssumeRolePolicyDocument=document(TRUST_LAMBDA))["Role"]
    iam.attach_role_policy(
        RoleName="runner", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    )
    functions = Functions(closed, closed.client("lambda", **root))
    name = functions.python("def handler(event, context): return 'ran'", Role=role["Arn"])
    assert functions.invoke(name).payload == "ran"


def test_a_resource_policy_opens_a_function(closed, root, user):
    functions = Functions(closed, closed.client("lambda", **root))
    name = functions.python("def handler(event, context): return 'ran'", Role=f"arn:aws:iam::{ACCOUNT}:role/runner")
    guest = user("guest")
    as_guest = Functions(closed, closed.client("lambda", **guest))
    assert refusal(as_guest.invoke, name)[0] == "AccessDeniedException"
    functions.client.add_permission(
        FunctionName=name, StatementId="guest", Action="lambda:InvokeFunction",
        Principal=f"arn:aws:iam::{ACCOUNT}:user/guest",
    )
    assert as_guest.invoke(name).payload == "ran"


def test_reset_is_not_served(closed):
    status, _, _ = closed.http("POST", "/_haar/reset")
    assert status in (403, 404)


def test_tags_decide_on_clusters_groups_functions_and_repositories(closed, root, user):
    actions = ["ecs:CreateCluster", "logs:CreateLogGroup", "ecr:CreateRepository", "lambda:CreateFunction"]
    actions += ["ecs:TagResource", "logs:TagResource", "ecr:TagResource"]
    tagged = {"StringEquals": {"aws:RequestTag/team": "a"}}
    own = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    deletions = ["ecs:DeleteCluster", "logs:DeleteLogGroup", "ecr:DeleteRepository", "lambda:DeleteFunction"]
    who = user(
        "tagger",
        {"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": tagged},
        {"Effect": "Allow", "Action": deletions, "Resource": "*", "Condition": own},
    )
    ecs, logs, ecr = (closed.client(service, **who) for service in ("ecs", "logs", "ecr"))
    assert refusal(ecs.create_cluster, clusterName="t-own")[0] == "AccessDeniedException"
    ecs.create_cluster(clusterName="t-own", tags=[{"key": "team", "value": "a"}])
    assert refusal(logs.create_log_group, logGroupName="t-own")[0] == "AccessDeniedException"
    logs.create_log_group(logGroupName="t-own", tags={"team": "a"})
    assert refusal(ecr.create_repository, repositoryName="t-own")[0] == "AccessDeniedException"
    ecr.create_repository(repositoryName="t-own", tags=[{"Key": "team", "Value": "a"}])

    as_root = {service: closed.client(service, **root) for service in ("ecs", "logs", "lambda", "iam")}
    as_root["ecs"].create_cluster(clusterName="t-other", tags=[{"key": "team", "value": "b"}])
    as_root["logs"].create_log_group(logGroupName="t-other")
    role = as_root["iam"].create_role(RoleName="t-runs", AssumeRolePolicyDocument=document(TRUST_LAMBDA))["Role"]["Arn"]
    functions = Functions(closed, as_root["lambda"])
    for name, team in [("t-own", "a"), ("t-other", "b")]:
        code = "def handler(event, context):\n    return 1\n"
        functions.python(code, name=name, Role=role, Tags={"team": team})
    for name, code in [("t-other", "AccessDeniedException"), ("t-own", None)]:
        calls = [
            (ecs.delete_cluster, {"cluster": name}),
            (logs.delete_log_group, {"logGroupName": name}),
            (closed.client("lambda", **who).delete_function, {"FunctionName": name}),
        ]
        for call, arguments in calls:
            if code:
                assert refusal(call, **arguments)[0] == code
            else:
                call(**arguments)
    ecr.delete_repository(repositoryName="t-own")


def test_who_gives_tags_at_creation_must_be_allowed_to_tag(closed, user):
    tags = [{"Key": "team", "Value": "a"}]
    maker = user("tagless", allow("iam:CreateUser", "sqs:CreateQueue", "logs:CreateLogGroup"))
    iam = closed.client("iam", **maker)
    iam.create_user(UserName="plain")
    code, message, status = refusal(iam.create_user, UserName="tagged", Tags=tags)
    assert (code, status) == ("AccessDenied", 403) and "iam:TagUser" in message
    code, message, _ = refusal(
        closed.client("logs", **maker).create_log_group, logGroupName="g", tags={"team": "a"}
    )
    assert code == "AccessDeniedException" and "logs:TagResource" in message
    namer = user("namer", allow("iam:CreateUser", "iam:TagUser"))
    made = closed.client("iam", **namer).create_user(UserName="tagged", Tags=tags)
    assert made["User"]["Tags"] == tags


def test_a_right_to_tag_may_be_for_what_one_action_makes(closed, user):
    makes = {"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}}
    tagging = {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*", "Condition": makes}
    ec2 = closed.client("ec2", **user("grouper", allow("ec2:CreateSecurityGroup", "ec2:CreateVpc"), tagging))
    tags = [{"Key": "team", "Value": "a"}]
    of_group, of_vpc = ([{"ResourceType": kind, "Tags": tags}] for kind in ("security-group", "vpc"))
    ec2.create_security_group(GroupName="tagged", Description="d", TagSpecifications=of_group)
    code, message, _ = refusal(ec2.create_vpc, CidrBlock="10.9.0.0/16", TagSpecifications=of_vpc)
    assert code == "UnauthorizedOperation" and "ec2:CreateTags" in message


def test_what_was_denied_can_be_decoded_by_those_who_may(closed, root, user):
    denied = user("denied", allow("sts:GetCallerIdentity"))
    _, message, _ = refusal(closed.client("ec2", **denied).delete_vpc, VpcId="vpc-0123456789abcdef0")
    told, sealed = message.split(". Encoded authorization failure message: ")
    assert told.endswith("because no identity-based policy allows the ec2:DeleteVpc action")
    assert "ec2:DeleteVpc" not in sealed
    found = closed.client("sts", **root).decode_authorization_message(EncodedMessage=sealed)
    found = json.loads(found["DecodedMessage"])
    assert (found["allowed"], found["explicitDeny"]) == (False, False)
    assert found["context"]["action"] == "ec2:DeleteVpc"
    assert found["context"]["principal"]["name"] == "denied"
    keys = {one["key"]: one["values"]["items"] for one in found["context"]["conditions"]["items"]}
    assert keys["aws:requestedregion"] == [{"value": "us-east-1"}]
    code, _, _ = refusal(
        closed.client("sts", **denied).decode_authorization_message, EncodedMessage=sealed
    )
    assert code == "AccessDenied"
    code, _, _ = refusal(
        closed.client("sts", **root).decode_authorization_message, EncodedMessage="junk"
    )
    assert code == "InvalidAuthorizationMessageException"


def test_what_was_denied_with_many_tags_can_be_decoded_too(closed, root, user):
    denied = user("denied-with-tags", allow("sts:GetCallerIdentity"))
    tags = [{"Key": f"{n:02}{'k' * 100}", "Value": "v" * 250} for n in range(50)]
    _, message, _ = refusal(
        closed.client("ec2", **denied).create_vpc, CidrBlock="10.9.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}],
    )
    sealed = message.split(". Encoded authorization failure message: ")[1]
    found = closed.client("sts", **root).decode_authorization_message(EncodedMessage=sealed)
    context = json.loads(found["DecodedMessage"])["context"]
    keys = [one["key"] for one in context["conditions"]["items"]]
    assert context["action"] == "ec2:CreateVpc"
    assert 10 < len(keys) < 50 and "aws:currenttime" in keys


def test_metrics_may_be_put_into_one_namespace_alone(closed, user):
    own = {"StringEquals": {"cloudwatch:namespace": "Own"}}
    puts = {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": own}
    cloudwatch = closed.client("cloudwatch", **user("measurer", puts))
    data = [{"MetricName": "m", "Value": 1}]
    cloudwatch.put_metric_data(Namespace="Own", MetricData=data)
    assert refusal(cloudwatch.put_metric_data, Namespace="Other", MetricData=data)[0] == "AccessDenied"


def test_arns_of_another_partition_name_nothing_here(closed, root, user):
    table = {"TableName": "parted", "BillingMode": "PAY_PER_REQUEST"}
    closed.client("dynamodb", **root).create_table(
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}], **table,
    )
    kinesis = closed.client("kinesis", **root)
    kinesis.create_stream(StreamName="parted", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="parted", WaiterConfig={"Delay": 1})
    closed.client("ecs", **root).create_cluster(clusterName="parted")
    closed.client("ecr", **root).create_repository(repositoryName="parted")

    def arn(service, resource, partition="aws-cn"):
        return f"arn:{partition}:{service}:us-east-1:{ACCOUNT}:{resource}"

    def calls(who, partition):
        dynamodb, kinesis, ecs, ecr = (
            closed.client(service, **who) for service in ("dynamodb", "kinesis", "ecs", "ecr"))
        table, key = arn("dynamodb", "table/parted", partition), {"p": {"S": "a"}}
        stream = arn("kinesis", "stream/parted", partition)
        cluster = arn("ecs", "cluster/parted", partition)
        return [
            lambda: dynamodb.get_item(TableName=table, Key=key),
            lambda: dynamodb.batch_get_item(RequestItems={table: {"Keys": [key]}}),
            lambda: dynamodb.list_tags_of_resource(ResourceArn=table),
            lambda: kinesis.put_record(StreamARN=stream, Data=b"a", PartitionKey="a"),
            lambda: ecs.describe_clusters(clusters=[cluster]),
            lambda: ecs.update_cluster_settings(
                cluster=cluster, settings=[{"name": "containerInsights", "value": "disabled"}]),
            lambda: ecs.list_tags_for_resource(resourceArn=cluster),
            lambda: ecr.list_tags_for_resource(resourceArn=arn("ecr", "repository/parted", partition)),
        ]

    for call in calls(root, "aws"):
        call()
    everything = user("elsewhere", allow("*", resource="arn:aws-cn:*:*:*:*"))
    for who in (root, everything):
        for call in calls(who, "aws-cn"):
            code, message, status = refusal(call)
            assert code in ("ValidationException", "InvalidParameterException", "InvalidArgumentException")
            assert status == 400 and "arn:aws-cn:" in message


def test_repositories_are_weighed_by_their_names(closed, root, user):
    as_root = closed.client("ecr", **root)
    for name in ("weighed/a", "weighed/b"):
        as_root.create_repository(repositoryName=name)
    own = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/weighed/a"
    ecr = closed.client("ecr", **user("puller", allow("ecr:*", resource=own)))
    (found,) = ecr.describe_repositories(repositoryNames=["weighed/a"])["repositories"]
    assert found["repositoryArn"] == own
    ecr.batch_get_repository_scanning_configuration(repositoryNames=["weighed/a"])
    code, message, _ = refusal(ecr.describe_repositories, repositoryNames=["weighed/a", "weighed/b"])
    assert code == "AccessDeniedException" and "repository/weighed/b" in message
    code, message, _ = refusal(ecr.describe_repositories)
    assert code == "AccessDeniedException" and f":{ACCOUNT}:repository/* " in message
