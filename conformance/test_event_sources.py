"""Event source mappings: queues and streams whose records a function really gets."""

import json
import time

import pytest

from support.cloud import ACCOUNT, until
from support.functions import Functions
from support.policies import TRUST_LAMBDA, allow, document, refusal

#: Tells its log of each record; fails where a record says so.
HANDLER = """
    import base64, json, time
    def text(record):
        if "body" in record:
            return record["body"]
        if "kinesis" in record:
            return base64.b64decode(record["kinesis"]["data"]).decode()
        return json.dumps(record["dynamodb"])
    def handler(event, context):
        for record in event["Records"]:
            print("GOT " + json.dumps([time.time_ns(), text(record)]))
        if any("poison" in text(record) for record in event["Records"]):
            raise RuntimeError("poison")
"""

#: Sends each record on to a queue, which is on disk there when it returns.
FORWARDER = """
    import base64, json, os, urllib.request
    def handler(event, context):
        for record in event["Records"]:
            text = record.get("body") or base64.b64decode(record["kinesis"]["data"]).decode()
            message = {"QueueUrl": os.environ["RESULTS"], "MessageBody": text}
            headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
            request = urllib.request.Request(
                os.environ["AWS_ENDPOINT_URL"], json.dumps(message).encode(), headers)
            urllib.request.urlopen(request, timeout=3).read()
"""


def got(cloud, name):
    """What a function has told its log, in the order in which its environments had it."""
    logs = cloud.client("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{name}", filterPattern='"GOT "'
        )
        events = [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [text for _, text in sorted(json.loads(message.split("GOT ", 1)[1]) for message in events)]


def enabled(client, uuid):
    return until(lambda: client.get_event_source_mapping(UUID=uuid)["State"] == "Enabled")


def queue_of(sqs, name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes={k: str(v) for k, v in attributes.items()})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def test_a_poison_message_ends_in_the_dead_letter_queue(functions, cloud):
    sqs = cloud.client("sqs")
    dead_url, dead_arn = queue_of(sqs, "dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = queue_of(sqs, "work", VisibilityTimeout=1, RedrivePolicy=redrive)
    name = functions.python(HANDLER, Timeout=1)
    mapping = functions.client.create_event_source_mapping(
        FunctionName=name, EventSourceArn=arn, BatchSize=1
    )
    enabled(functions.client, mapping["UUID"])
    for body in ["one", "poison", "two"]:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    dead = until(lambda: sqs.receive_message(QueueUrl=dead_url, WaitTimeSeconds=5).get("Messages"), limit=30)
    assert [message["Body"] for message in dead] == ["poison"]
    bodies = until(lambda: (lambda seen: seen if len(seen) >= 4 else None)(got(cloud, name)))
    assert sorted(bodies) == ["one", "poison", "poison", "two"]
    left = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    assert set(left.values()) == {"0"}
    functions.client.delete_event_source_mapping(UUID=mapping["UUID"])


def test_filters_drop_and_partial_failures_come_back(functions, cloud):
    sqs = cloud.client("sqs")
    url, arn = queue_of(sqs, "partial", VisibilityTimeout=1)
    name = functions.python(
        """
    import json, time
    seen = set()
    def handler(event, context):
        failed = []
        for record in event["Records"]:
            print("GOT " + json.dumps([time.time_ns(), record["body"]]))
            if json.loads(record["body"])["n"] == 2 and record["messageId"] not in seen:
                seen.add(record["messageId"])
                failed.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failed}
""",
        Timeout=1,
    )
    mapping = functions.client.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=arn,
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"n": [{"numeric": ["<", 3]}]}})}]},
    )
    enabled(functions.client, mapping["UUID"])
    for n in range(5):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"n": n}))
    bodies = until(lambda: (lambda seen: seen if len(seen) >= 4 else None)(got(cloud, name)), limit=20)
    assert sorted(json.loads(body)["n"] for body in bodies) == [0, 1, 2, 2]
    functions.client.delete_event_source_mapping(UUID=mapping["UUID"])


def test_groups_of_a_fifo_queue_keep_their_order(functions, cloud):
    sqs = cloud.client("sqs")
    url, arn = queue_of(sqs, "ordered.fifo", FifoQueue="true", VisibilityTimeout=5)
    name = functions.python(HANDLER, Timeout=5)
    mapping = functions.client.create_event_source_mapping(FunctionName=name, EventSourceArn=arn, BatchSize=3)
    enabled(functions.client, mapping["UUID"])
    for n in range(12):
        for group in "abc":
            sqs.send_message(
                QueueUrl=url, MessageBody=f"{group}{n:02}", MessageGroupId=group, MessageDeduplicationId=f"{group}{n}"
            )
    seen = until(lambda: (lambda seen: seen if len(seen) >= 36 else None)(got(cloud, name)))
    for group in "abc":
        assert [body for body in seen if body[0] == group] == [f"{group}{n:02}" for n in range(12)]
    functions.client.delete_event_source_mapping(UUID=mapping["UUID"])


def test_a_mapping_rests_while_it_is_disabled_and_a_reset_forgets_it(new_cloud):
    cloud = new_cloud()
    for _ in range(2):
        functions, sqs = Functions(cloud), cloud.client("sqs")
        url, arn = queue_of(sqs, "resting", VisibilityTimeout=5)
        name = functions.create({"app.py": HANDLER}, "python3.13", "app.handler", name="resting", Timeout=5)
        uuid = functions.client.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)["UUID"]
        enabled(functions.client, uuid)
        functions.client.update_event_source_mapping(UUID=uuid, Enabled=False)
        until(lambda: functions.client.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
        sqs.send_message(QueueUrl=url, MessageBody="while away")
        waiting = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        assert waiting["Attributes"]["ApproximateNumberOfMessages"] == "1"
        functions.client.update_event_source_mapping(UUID=uuid, Enabled=True, BatchSize=1)
        assert until(lambda: got(cloud, name)) == ["while away"]
        assert functions.client.get_event_source_mapping(UUID=uuid)["BatchSize"] == 1
        assert cloud.http("POST", "/_haar/reset")[0] == 200


def test_records_of_a_stream_come_in_order_and_bad_ones_are_told_of(functions, cloud):
    kinesis, sqs = cloud.client("kinesis"), cloud.client("sqs")
    kinesis.create_stream(StreamName="source", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="source", WaiterConfig={"Delay": 1})
    stream = kinesis.describe_stream_summary(StreamName="source")["StreamDescriptionSummary"]["StreamARN"]
    told_url, told_arn = queue_of(sqs, "told")
    name = functions.python(HANDLER)
    mapping = functions.client.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=stream,
        StartingPosition="TRIM_HORIZON",
        BatchSize=10,
        MaximumRetryAttempts=0,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": told_arn}},
    )
    bodies = ["a", "b", "poison", "c", "d"]
    kinesis.put_records(
        StreamName="source", Records=[{"Data": body.encode(), "PartitionKey": "k"} for body in bodies]
    )
    (told,) = until(lambda: sqs.receive_message(QueueUrl=told_url, WaitTimeSeconds=5).get("Messages"), limit=30)
    record = json.loads(told["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["functionArn"] == mapping["FunctionArn"]
    assert record["KinesisBatchInfo"]["batchSize"] == 1
    assert record["KinesisBatchInfo"]["shardId"] == "shardId-000000000000"
    halves = [bodies, ["a", "b"], ["poison", "c", "d"], ["poison"], ["c", "d"]]
    expected = [body for half in halves for body in half]
    until(lambda: len(got(cloud, name)) >= len(expected))
    assert got(cloud, name) == expected
    functions.client.delete_event_source_mapping(UUID=mapping["UUID"])


def stream_of(cloud, name):
    kinesis = cloud.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def test_what_no_mapping_can_be_is_refused(functions, cloud):
    url, queue = queue_of(cloud.client("sqs"), "never-mapped", VisibilityTimeout=900)
    stream, name = stream_of(cloud, "never-mapped"), functions.python(HANDLER)
    told = lambda arn, ending="OnFailure": {"DestinationConfig": {ending: {"Destination": arn}}}
    unsupported = "Unsupported parameter for given event source mapping type."
    for source, more, text in [
        (queue, {"MaximumRetryAttempts": 1}, unsupported),
        (queue, {"MaximumRecordAgeInSeconds": 60}, unsupported),
        (queue, {"ProvisionedPollerConfig": {"MinimumPollers": 1}}, "MinimumPollers must be 2 at least"),
        (stream, {"ProvisionedPollerConfig": {"MinimumPollers": 2}}, unsupported),
        (stream, told(f"{queue}-that-is-none"), f"The destination ARN {queue}-that-is-none is invalid."),
        (stream, told(f"{queue}.fifo"), f"The destination ARN {queue}.fifo is invalid."),
        (stream, told(queue, "OnSuccess"), "Unsupported DestinationConfig parameter"),
    ]:
        position = {"StartingPosition": "LATEST"} if source is stream else {}
        with pytest.raises(functions.client.exceptions.InvalidParameterValueException) as refused:
            functions.client.create_event_source_mapping(
                FunctionName=name, EventSourceArn=source, **position, **more)
        assert text in str(refused.value)


def test_a_tumbling_window_carries_its_state_and_metrics_tell_of_records(functions, cloud):
    kinesis, metrics = cloud.client("kinesis"), cloud.client("cloudwatch")
    name = functions.python("""
        import json
        def handler(event, context):
            total = event["state"].get("total", 0) + len(event["Records"])
            print("GOT " + json.dumps([0, [total, event["isFinalInvokeForWindow"]]]))
            return {"state": {"total": total}}
    """)
    mapping = functions.client.create_event_source_mapping(
        FunctionName=name, EventSourceArn=stream_of(cloud, "windowed"), StartingPosition="TRIM_HORIZON",
        TumblingWindowInSeconds=3, BatchSize=1, MetricsConfig={"Metrics": ["EventCount"]})
    for _ in range(2):
        kinesis.put_record(StreamName="windowed", Data=b"x", PartitionKey="k")
    until(lambda: [2, True] in got(cloud, name) or [1, True] in got(cloud, name))
    told = got(cloud, name)
    assert max(total for total, is_final in told if is_final) in (1, 2)
    assert [1, False] in told, "the first batch of a window finds no state"

    def sum_of(metric, statistic, **dimensions):
        found = metrics.get_metric_statistics(
            Namespace="AWS/Lambda", MetricName=metric, StartTime=time.time() - 900,
            EndTime=time.time() + 60, Period=3600, Statistics=[statistic],
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()])
        return sum(point[statistic] for point in found["Datapoints"])

    polled = lambda: sum_of("PolledEventCount", "Sum", EventSourceMappingUUID=mapping["UUID"])
    assert until(polled, lambda count: count >= 2) == 2
    assert until(lambda: sum_of("IteratorAge", "SampleCount", FunctionName=name)) >= 2
    functions.client.delete_event_source_mapping(UUID=mapping["UUID"])


#: Tells when it was at work on what.
SLOW = """
    import base64, json, time
    def handler(event, context):
        begun = time.time()
        time.sleep(1)
        for record in event["Records"]:
            text = record.get("body") or base64.b64decode(record["kinesis"]["data"]).decode()
            print("GOT " + json.dumps([begun, [text, begun, time.time()]]))
"""


def at_once(spans):
    """How many were at work at the busiest moment."""
    return max(sum(begun <= at < ended for _, begun, ended in spans) for _, at, _ in spans)


def test_a_shard_is_worked_on_in_parallel_and_a_queue_no_more_than_is_asked_for(functions, cloud):
    kinesis, sqs = cloud.client("kinesis"), cloud.client("sqs")
    by_key, by_queue = functions.python(SLOW), functions.python(SLOW)
    stream = functions.client.create_event_source_mapping(
        FunctionName=by_key, EventSourceArn=stream_of(cloud, "parallel"),
        StartingPosition="TRIM_HORIZON", BatchSize=1, ParallelizationFactor=10)
    for n in range(2):
        for key in "abcdef":
            kinesis.put_record(StreamName="parallel", Data=f"{key}{n}".encode(), PartitionKey=key)
    url, queue = queue_of(sqs, "no-more-than-two", VisibilityTimeout=60)
    mapping = functions.client.create_event_source_mapping(
        FunctionName=by_queue, EventSourceArn=queue, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    for n in range(6):
        sqs.send_message(QueueUrl=url, MessageBody=str(n))
    spans = until(lambda: got(cloud, by_key), lambda all: len(all) == 12, limit=60)
    order = [text for text, _, _ in spans]
    assert at_once(spans) > 1
    assert all(order.index(f"{key}0") < order.index(f"{key}1") for key in "abcdef")
    spans = until(lambda: got(cloud, by_queue), lambda all: len(all) == 6, limit=60)
    assert at_once(spans) == 2
    for one in (stream, mapping):
        functions.client.delete_event_source_mapping(UUID=one["UUID"])


def test_a_bucket_keeps_what_was_given_up(functions, cloud):
    kinesis, s3 = cloud.client("kinesis"), cloud.client("s3")
    s3.create_bucket(Bucket="given-up")
    kinesis.create_stream(StreamName="failing", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="failing", WaiterConfig={"Delay": 1})
    stream = kinesis.describe_stream_summary(StreamName="failing")["StreamDescriptionSummary"]["StreamARN"]
    name = functions.python(HANDLER)
    mapping = functions.client.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=stream,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::given-up"}},
    )
    kinesis.put_record(StreamName="failing", Data=b"poison", PartitionKey="k")
    found = until(lambda: s3.list_objects_v2(Bucket="given-up").get("Contents"))
    assert found[0]["Key"].startswith(f"aws/lambda/{mapping['UUID']}/shardId-000000000000/")
    record = json.loads(s3.get_object(Bucket="given-up", Key=found[0]["Key"])["Body"].read())
    (given,) = json.loads(record["payload"])["Records"]
    assert given["kinesis"]["partitionKey"] == "k"
    functions.client.delete_event_source_mapping(UUID=mapping["UUID"])


def test_changes_of_a_table_reach_a_function(functions, cloud):
    dynamodb = cloud.client("dynamodb")
    table = dynamodb.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    dynamodb.get_waiter("table_exists").wait(TableName="orders", WaiterConfig={"Delay": 1})
    name = functions.python(HANDLER)
    pattern = json.dumps({"eventName": ["INSERT", "REMOVE"]})
    mapping = functions.client.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=table["LatestStreamArn"],
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": pattern}]},
    )
    key = {"id": {"S": "o-1"}}
    dynamodb.put_item(TableName="orders", Item={**key, "n": {"N": "1"}})
    dynamodb.put_item(TableName="orders", Item={**key, "n": {"N": "2"}})
    dynamodb.delete_item(TableName="orders", Key=key)
    seen = until(lambda: (lambda seen: seen if len(seen) >= 2 else None)(got(cloud, name)))
    came, went = (json.loads(one) for one in seen)
    assert came["NewImage"] == {**key, "n": {"N": "1"}} and "OldImage" not in came
    assert went["OldImage"] == {**key, "n": {"N": "2"}} and went["Keys"] == key
    shown = functions.client.get_event_source_mapping(UUID=mapping["UUID"])
    assert (shown["State"], shown["LastProcessingResult"]) == ("Enabled", "OK")
    functions.client.delete_event_source_mapping(UUID=mapping["UUID"])


def test_a_kill_in_between_loses_and_skips_nothing(tmp_path, new_cloud):
    cloud = new_cloud(data_dir=tmp_path / "data")
    functions = Functions(cloud)
    kinesis, sqs = cloud.client("kinesis"), cloud.client("sqs")
    kinesis.create_stream(StreamName="s", ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
    url, arn = queue_of(sqs, "q", VisibilityTimeout=5)
    results, _ = queue_of(sqs, "results")
    name = functions.python(FORWARDER, Timeout=5, Environment={"Variables": {"RESULTS": results}})
    stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
    for source, more in [(arn, {}), (stream, {"StartingPosition": "LATEST"})]:
        made = functions.client.create_event_source_mapping(
            FunctionName=name, EventSourceArn=source, BatchSize=5, **more
        )
        enabled(functions.client, made["UUID"])
    time.sleep(0.5)

    def send(numbers):
        for n in numbers:
            sqs.send_message(QueueUrl=url, MessageBody=f"q{n}")
            kinesis.put_record(StreamName="s", Data=f"s{n}".encode(), PartitionKey=str(n))

    send(range(40))
    cloud.kill()
    cloud.start()
    sqs, kinesis = cloud.client("sqs"), cloud.client("kinesis")
    send(range(40, 60))
    wanted = {f"{kind}{n}" for kind in "qs" for n in range(60)}

    arrived = set()

    def all_arrived():
        for message in sqs.receive_message(QueueUrl=results, MaxNumberOfMessages=10).get("Messages", []):
            arrived.add(message["Body"])
            sqs.delete_message(QueueUrl=results, ReceiptHandle=message["ReceiptHandle"])
        return arrived >= wanted

    until(all_arrived, limit=90, every=0)
    assert arrived == wanted


READS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def test_the_functions_role_is_what_polls(closed, root, iam):
    """In enforce mode: a role that may not read is refused, and one that no longer may reads no more."""
    iam.create_role(RoleName="poller", AssumeRolePolicyDocument=document(TRUST_LAMBDA))
    functions = Functions(closed, closed.client("lambda", **root))
    sqs = closed.client("sqs", **root)
    url, arn = queue_of(sqs, "guarded", VisibilityTimeout=5)
    name = functions.python(HANDLER, Role=f"arn:aws:iam::{ACCOUNT}:role/poller", Timeout=5)
    create = functions.client.create_event_source_mapping
    code, text, _ = refusal(create, FunctionName=name, EventSourceArn=arn)
    assert code == "InvalidParameterValueException"
    assert text == "The provided execution role does not have permissions to call GetQueueAttributes on SQS"
    allowed = document(allow(*READS, resource=arn))
    iam.put_role_policy(RoleName="poller", PolicyName="read", PolicyDocument=document(allow(READS[2], resource=arn)))
    _, text, _ = refusal(create, FunctionName=name, EventSourceArn=arn)
    assert text == "The provided execution role does not have permissions to call ReceiveMessage on SQS"
    iam.put_role_policy(RoleName="poller", PolicyName="read", PolicyDocument=allowed)
    uuid = create(FunctionName=name, EventSourceArn=arn)["UUID"]
    enabled(functions.client, uuid)
    sqs.send_message(QueueUrl=url, MessageBody="mine")

    def left():
        counts = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        )["Attributes"]
        return sum(map(int, counts.values()))

    until(left, lambda count: count == 0)
    _, text, _ = refusal(create, FunctionName=name, EventSourceArn=arn + "-none")
    assert "AWS.SimpleQueueService.NonExistentQueue" in text or "GetQueueAttributes" in text
    functions.client.delete_event_source_mapping(UUID=uuid)
