"""EventBridge Pipes with boto3: from queues and streams through filters and functions to targets."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from support.cloud import ACCOUNT, REGION, until
from support.functions import ROLE, Functions
from support.policies import allow, document
from test_event_sources import queue_of

TRUST_PIPES = {"Effect": "Allow", "Principal": {"Service": "pipes.amazonaws.com"}, "Action": "sts:AssumeRole"}

#: Adds a price to each order, and leaves out what costs nothing.
PRICES = """
    def handler(event, context):
        return [{"id": one["id"], "price": 10 * one["id"]} for one in event if one["id"]]
"""


@pytest.fixture
def pipes(cloud):
    return cloud.client("pipes")


def running(pipes, name):
    shown = until(
        lambda: pipes.describe_pipe(Name=name),
        lambda shown: shown["CurrentState"] in ("RUNNING", "STOPPED") or "FAILED" in shown["CurrentState"],
    )
    assert shown["CurrentState"] == "RUNNING", shown.get("StateReason")
    return shown


def taken(sqs, url):
    """Bodies that are in a queue; they are deleted."""
    bodies = []
    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        bodies.append(message["Body"])
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def gathered(sqs, url, count):
    bodies = []

    def enough():
        bodies.extend(taken(sqs, url))
        return len(bodies) >= count

    until(enough)
    return bodies


def test_messages_are_filtered_enriched_and_sent_on(cloud, functions, pipes):
    sqs, name = cloud.client("sqs"), f"p-{uuid.uuid4().hex[:8]}"
    (source, source_arn), (target, target_arn) = queue_of(sqs, f"{name}-in"), queue_of(sqs, f"{name}-out")
    prices = functions.python(PRICES)
    made = pipes.create_pipe(
        Name=name,
        RoleArn=ROLE,
        Source=source_arn,
        SourceParameters={
            "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"body": {"kind": ["order"]}})}]},
            "SqsQueueParameters": {"BatchSize": 5, "MaximumBatchingWindowInSeconds": 1},
        },
        Enrichment=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{prices}",
        EnrichmentParameters={"InputTemplate": '{"id": <$.body.id>}'},
        Target=target_arn,
        TargetParameters={"InputTemplate": '{"order": <$.id>, "text": "costs <$.price>", "by": <aws.pipes.pipe-name>}'},
        LogConfiguration={
            "Level": "INFO",
            "CloudwatchLogsLogDestination": {"LogGroupArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/pipes/{name}"},
        },
        Tags={"team": "shop"},
    )
    assert made["CurrentState"] == "CREATING" and made["Arn"].endswith(f":pipe/{name}")
    running(pipes, name)
    with pytest.raises(pipes.exceptions.ConflictException):
        pipes.create_pipe(Name=name, RoleArn=ROLE, Source=source_arn, Target=target_arn)
    for kind, id in [("order", 1), ("gift", 2), ("order", 0), ("order", 3)]:
        sqs.send_message(QueueUrl=source, MessageBody=json.dumps({"kind": kind, "id": id}))
    got = sorted(map(json.loads, gathered(sqs, target, 2)), key=lambda one: one["order"])
    assert got == [{"order": id, "text": f"costs {10 * id}", "by": name} for id in (1, 3)]
    logs = cloud.client("logs")

    def steps():
        found = logs.filter_log_events(logGroupName=f"/pipes/{name}")["events"]
        return {json.loads(event["message"])["messageType"] for event in found}

    wanted = {"EXECUTION_STARTED", "ENRICHMENT_STAGE_SUCCEEDED", "TARGET_STAGE_SUCCEEDED", "EXECUTION_SUCCEEDED"}
    until(steps, lambda seen: wanted <= seen)
    names = [pipe["Name"] for page in pipes.get_paginator("list_pipes").paginate(Limit=1) for pipe in page["Pipes"]]
    assert name in names
    assert pipes.list_tags_for_resource(resourceArn=made["Arn"])["tags"] == {"team": "shop"}
    pipes.delete_pipe(Name=name)

    def gone():
        try:
            pipes.describe_pipe(Name=name)
        except pipes.exceptions.NotFoundException:
            return True

    until(gone)


def test_changes_of_a_table_become_events(cloud, pipes):
    sqs, events, dynamodb = (cloud.client(one) for one in ("sqs", "events", "dynamodb"))
    name = f"p-{uuid.uuid4().hex[:8]}"
    table = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    url, arn = queue_of(sqs, name)
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    policy = document({
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn,
    })
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    pipes.create_pipe(
        Name=name,
        RoleArn=ROLE,
        Source=table["LatestStreamArn"],
        SourceParameters={"DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON", "BatchSize": 10}},
        Target=f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
        TargetParameters={
            "InputTemplate": '{"id": <$.dynamodb.Keys.id.S>}',
            "EventBridgeEventBusParameters": {"Source": name, "DetailType": "$.eventName"},
        },
    )
    running(pipes, name)
    for id in "ab":
        dynamodb.put_item(TableName=name, Item={"id": {"S": id}})
    dynamodb.delete_item(TableName=name, Key={"id": {"S": "a"}})
    got = [json.loads(body) for body in gathered(sqs, url, 3)]
    seen = sorted((event["detail-type"], event["detail"]["id"]) for event in got)
    assert seen == [("INSERT", "a"), ("INSERT", "b"), ("REMOVE", "a")]
    pipes.delete_pipe(Name=name)


def test_a_kill_in_between_loses_and_skips_nothing(tmp_path, new_cloud):
    cloud = new_cloud(data_dir=tmp_path / "data")
    functions, pipes = Functions(cloud), cloud.client("pipes")
    sqs, kinesis = cloud.client("sqs"), cloud.client("kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
    source, source_arn = queue_of(sqs, "in", VisibilityTimeout=5)
    target, target_arn = queue_of(sqs, "out")
    same = functions.python("def handler(event, context):\n    return event\n", Timeout=5)
    enrichment = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{same}"
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"
    for name, of, parameters, template in [
        ("queue", source_arn, {}, '"q<$.body>"'),
        ("stream", stream, {"KinesisStreamParameters": {"StartingPosition": "LATEST", "BatchSize": 5}}, '"s<$.partitionKey>"'),
    ]:
        pipes.create_pipe(
            Name=name,
            RoleArn=ROLE,
            Source=of,
            SourceParameters=parameters,
            Enrichment=enrichment,
            Target=target_arn,
            TargetParameters={"InputTemplate": template},
        )
        running(pipes, name)

    def send(numbers):
        for n in numbers:
            sqs.send_message(QueueUrl=source, MessageBody=str(n))
            kinesis.put_record(StreamName="s", Data=b"x", PartitionKey=str(n))

    send(range(30))
    cloud.kill()
    cloud.start()
    sqs, kinesis, pipes = cloud.client("sqs"), cloud.client("kinesis"), cloud.client("pipes")
    assert pipes.describe_pipe(Name="queue")["CurrentState"] == "RUNNING"
    send(range(30, 45))
    wanted, arrived = {f'"{kind}{n}"' for kind in "qs" for n in range(45)}, set()

    def all_arrived():
        arrived.update(taken(sqs, target))
        return arrived >= wanted

    until(all_arrived, limit=90, every=0)
    assert arrived == wanted


def test_a_pipe_acts_as_its_role(closed, root, iam):
    """In enforce mode: a role that may not read makes no pipe, one that may not send loses nothing."""
    sqs, pipes = closed.client("sqs", **root), closed.client("pipes", **root)
    (source, source_arn), (target, target_arn) = queue_of(sqs, "pipe-in", VisibilityTimeout=2), queue_of(sqs, "pipe-out")
    role = iam.create_role(RoleName="plumber", AssumeRolePolicyDocument=document(TRUST_PIPES))["Role"]["Arn"]

    def may(name, *statements):
        iam.put_role_policy(RoleName="plumber", PolicyName=name, PolicyDocument=document(*statements))

    create = {"Name": "guarded", "RoleArn": role, "Source": source_arn, "Target": target_arn}
    pipes.create_pipe(**create, TargetParameters={"InputTemplate": "<$.body>"})
    shown = until(lambda: pipes.describe_pipe(Name="guarded"), lambda shown: shown["CurrentState"] != "CREATING")
    assert shown["CurrentState"] == "CREATE_FAILED"
    assert shown["StateReason"] == (
        "Input parameter is invalid from the request due to : "
        "The provided customer role does not have permissions to call GetQueueAttributes on SQS"
    )
    reads = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    may("read", allow(*reads, resource=source_arn))
    pipes.start_pipe(Name="guarded")
    running(pipes, "guarded")
    sqs.send_message(QueueUrl=source, MessageBody='{"n": 1}')

    def receives():
        names = ["ApproximateNumberOfMessagesNotVisible"]
        told = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=names)["Attributes"]
        return int(told[names[0]])

    until(receives)  # it was taken, and what may not be sent on comes back
    assert taken(sqs, target) == []
    may("send", allow("sqs:SendMessage", resource=target_arn))
    assert gathered(sqs, target, 1) == ['{"n":1}']
    user = iam.create_user(UserName="no-plumber")["User"]["UserName"]
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document(allow("pipes:CreatePipe")))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    mine = closed.client("pipes", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    with pytest.raises(ClientError, match="iam:PassRole"):
        mine.create_pipe(**{**create, "Name": "other"})
    with pytest.raises(ClientError, match="pipes:DeletePipe"):
        mine.delete_pipe(Name="guarded")
    pipes.delete_pipe(Name="guarded")
