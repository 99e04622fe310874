"""Filters of log groups with boto3: what they match goes to functions and streams, or becomes a metric."""

import datetime
import gzip
import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from support.cloud import ACCOUNT, REGION, until
from support.policies import allow, document

#: Prints what it is sent, unpacked.
UNPACKS = """
    import base64, gzip

    def handler(event, context):
        print("GOT " + gzip.decompress(base64.b64decode(event["awslogs"]["data"])).decode())
"""


@pytest.fixture
def logs(cloud):
    return cloud.client("logs")


@pytest.fixture
def group(logs):
    name = f"/app/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one")
    return name


def put(logs, group, *messages):
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)


def test_a_subscription_sends_what_it_matches_to_a_function(cloud, functions, logs, group):
    name = functions.python(UNPACKS)
    logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
    arn = cloud.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
    with pytest.raises(ClientError) as error:
        logs.put_subscription_filter(
            logGroupName=group, filterName="x", filterPattern="", destinationArn=f"{arn}-not-there"
        )
    assert error.value.response["Error"]["Code"] == "InvalidParameterException"
    logs.put_subscription_filter(logGroupName=group, filterName="errors", filterPattern="ERROR", destinationArn=arn)
    put(logs, group, "ERROR one", "fine", "ERROR two")

    def got():
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="GOT")["events"]
        return [json.loads(event["message"].removeprefix("GOT ")) for event in found]

    (message,) = until(got)
    assert message["messageType"] == "DATA_MESSAGE" and message["owner"] == "000000000000"
    assert (message["logGroup"], message["logStream"]) == (group, "one")
    assert message["subscriptionFilters"] == ["errors"]
    assert [event["message"] for event in message["logEvents"]] == ["ERROR one", "ERROR two"]
    ids = {event["eventId"] for event in logs.filter_log_events(logGroupName=group, filterPattern="ERROR")["events"]}
    assert {event["id"] for event in message["logEvents"]} == ids

    (shown,) = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert (shown["destinationArn"], shown["distribution"]) == (arn, "ByLogStream")
    logs.delete_subscription_filter(logGroupName=group, filterName="errors")
    assert logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] == []


def test_a_subscription_sends_to_a_stream_after_a_control_message(cloud, logs, group):
    kinesis, name = cloud.client("kinesis"), f"s-{uuid.uuid4().hex[:8]}"
    role = "arn:aws:iam::000000000000:role/logs-to-kinesis"
    there = f"arn:aws:kinesis:us-east-1:000000000000:stream/{name}"
    put_filter = dict(logGroupName=group, filterName="all", filterPattern="", destinationArn=there, roleArn=role)
    with pytest.raises(ClientError) as error:
        logs.put_subscription_filter(**put_filter)
    assert "Could not deliver test message" in error.value.response["Error"]["Message"]
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    logs.put_subscription_filter(**put_filter)
    put(logs, group, "hello")
    shard = kinesis.list_shards(StreamName=name)["Shards"][0]["ShardId"]
    at = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]

    def records():
        found = kinesis.get_records(ShardIterator=at)["Records"]
        return [json.loads(gzip.decompress(record["Data"])) for record in found]

    control, data = until(records, lambda found: len(found) == 2)
    assert control["messageType"] == "CONTROL_MESSAGE"
    assert data["logEvents"][0]["message"] == "hello"


def test_a_metric_filter_counts_what_it_matches(cloud, logs, group):
    logs.put_metric_filter(
        logGroupName=group,
        filterName="latency",
        filterPattern="{ $.ms > 0 }",
        metricTransformations=[{"metricName": "ms", "metricNamespace": group, "metricValue": "$.ms"}],
    )
    put(logs, group, json.dumps({"ms": 3}), json.dumps({"ms": 4}), "no JSON")
    now = datetime.datetime.now(datetime.UTC)
    ask = dict(Namespace=group, MetricName="ms", Period=60, Statistics=["Sum", "SampleCount"])
    span = dict(StartTime=now - datetime.timedelta(minutes=5), EndTime=now + datetime.timedelta(minutes=5))
    points = until(lambda: cloud.client("cloudwatch").get_metric_statistics(**ask, **span)["Datapoints"])
    assert sum(point["Sum"] for point in points) == 7
    assert sum(point["SampleCount"] for point in points) == 2


def test_a_filter_outlives_a_crash(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="/kept", kmsKeyId="arn:aws:kms:us-east-1:000000000000:key/1")
    transformation = {"metricName": "m", "metricNamespace": "n", "metricValue": "1", "unit": "None"}
    logs.put_metric_filter(
        logGroupName="/kept", filterName="f", filterPattern="x", metricTransformations=[transformation]
    )
    cloud.kill()
    cloud.start()
    logs = cloud.client("logs")
    (shown,) = logs.describe_metric_filters(logGroupName="/kept")["metricFilters"]
    assert shown["metricTransformations"] == [transformation]
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["kmsKeyId"].endswith("key/1") and group["metricFilterCount"] == 1


def test_who_may_not_pass_a_role_makes_no_filter_with_it(closed, root, iam):
    logs = closed.client("logs", **root)
    logs.create_log_group(logGroupName="/closed")
    trust = {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="to-stream", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    user = iam.create_user(UserName="no-filterer")["User"]["UserName"]
    may = document(allow("logs:PutSubscriptionFilter"))
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=may)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    mine = closed.client("logs", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    asked = {
        "logGroupName": "/closed",
        "filterName": "all",
        "filterPattern": "",
        "destinationArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/none",
        "roleArn": role,
    }
    with pytest.raises(ClientError, match="iam:PassRole"):
        mine.put_subscription_filter(**asked)
    iam.put_user_policy(UserName=user, PolicyName="q", PolicyDocument=document(allow("iam:PassRole", resource=role)))
    with pytest.raises(ClientError, match="InvalidParameterException"):
        mine.put_subscription_filter(**asked)


def test_a_live_tail_shows_what_comes_and_fits(cloud, logs, group):
    client = cloud.client("logs", inject_host_prefix=False)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    tail = client.start_live_tail(
        logGroupIdentifiers=[arn], logEventFilterPattern="ERROR", logStreamNames=["one"]
    )
    events = iter(tail["responseStream"])
    started = next(events)["sessionStart"]
    assert started["logGroupIdentifiers"] == [arn] and started["logEventFilterPattern"] == "ERROR"
    put(logs, group, "all is well", "ERROR: it is not")
    logs.create_log_stream(logGroupName=group, logStreamName="two")
    shown = []
    while not shown:
        shown = next(events)["sessionUpdate"]["sessionResults"]
    assert [event["message"] for event in shown] == ["ERROR: it is not"]
    assert shown[0]["logStreamName"] == "one" and shown[0]["logGroupIdentifier"].endswith(group)
    tail["responseStream"].close()
