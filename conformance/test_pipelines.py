"""Something happens, and code runs: the pipelines that everyone builds, end to end."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from support import layers
from support.cloud import ACCOUNT, REGION, until
from support.containers import ROLE as TASK_ROLE
from support.containers import Containers

#: A real picture: the tour's.
PICTURE = Path(__file__).parent.parent / "apps/haar/src/commands/tour/inputs/haar.jpg"
TABLE = "pipelines"
THUMBNAIL = """
    import io, os, urllib.parse
    import boto3
    from PIL import Image

    s3, table = boto3.client("s3"), boto3.resource("dynamodb").Table(os.environ["TABLE"])

    def handler(event, context):
        for record in event["Records"]:
            bucket = record["s3"]["bucket"]["name"]
            key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
            picture = Image.open(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
            picture.thumbnail((80, 80))
            small = io.BytesIO()
            picture.save(small, "JPEG")
            s3.put_object(Bucket=bucket + "-small", Key=key, Body=small.getvalue())
            table.put_item(Item={"id": key, "width": picture.width, "event": record["eventName"]})
"""
ORDERS = """
    import json, os
    import boto3

    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

    def handler(event, context):
        failed = []
        for record in event["Records"]:
            try:
                order = json.loads(record["body"])
                table.put_item(Item={"id": order["id"], "amount": order["amount"]})
            except ValueError:
                failed.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failed}
"""
TICK = """
    import os
    import boto3

    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

    def handler(event, context):
        table.put_item(Item={"id": "tick", "at": event["time"], "rule": event["resources"][0]})
"""


@pytest.fixture(scope="module")
def sdk(functions, clients):
    content = layers.sdk(clients, "s3", "dynamodb")
    return layers.publish(functions, "sdk-for-pipelines", content)


@pytest.fixture(scope="module")
def pillow(functions, clients):
    content = layers.packages(clients, ("PIL", "pillow.libs"))
    return layers.publish(functions, "pillow", content)


@pytest.fixture(scope="module")
def make(functions, clients):
    def make(code, *of, **options):
        options.setdefault("Environment", {"Variables": {"TABLE": TABLE}})
        return functions.create(
            {"app.py": code}, layers.runtime(clients), "app.handler", Layers=list(of),
            MemorySize=512, **options)

    return make


@pytest.fixture(scope="module")
def items(cloud):
    """Reads an item of the table by its id."""
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
    return lambda id: dynamodb.get_item(TableName=TABLE, Key={"id": {"S": id}}).get("Item")


@pytest.fixture(scope="module")
def clock(cloud, functions, make, sdk, items):
    """A rule that calls each minute from the beginning of this module on."""
    name, events = make(TICK, sdk), cloud.client("events")
    rule = events.put_rule(Name="each-minute", ScheduleExpression="rate(1 minute)")["RuleArn"]
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    functions.client.add_permission(
        FunctionName=name, StatementId="rule", Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com", SourceArn=rule)
    put = events.put_targets(Rule="each-minute", Targets=[{"Id": "tick", "Arn": arn}])
    assert put["FailedEntryCount"] == 0
    yield rule
    events.remove_targets(Rule="each-minute", Ids=["tick"])
    events.delete_rule(Name="each-minute")


def test_a_picture_in_a_bucket_becomes_a_thumbnail_and_a_row(
    cloud, functions, clock, make, sdk, pillow, items
):
    s3, name = cloud.client("s3"), make(THUMBNAIL, sdk, pillow)
    for bucket in ("pictures", "pictures-small"):
        s3.create_bucket(Bucket=bucket)
    functions.client.add_permission(
        FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::pictures")
    s3.put_bucket_notification_configuration(
        Bucket="pictures",
        NotificationConfiguration={"LambdaFunctionConfigurations": [{
            "LambdaFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}},
        }]},
    )
    s3.put_object(Bucket="pictures", Key="notes.txt", Body=b"not a picture")
    s3.upload_file(str(PICTURE), "pictures", "sea fog.jpg")
    item = until(lambda: items("sea fog.jpg"))
    assert (item["width"]["N"], item["event"]["S"]) == ("80", "ObjectCreated:Put")
    small = s3.get_object(Bucket="pictures-small", Key="sea fog.jpg")["Body"].read()
    assert Image.open(io.BytesIO(small)).size == (80, 53)
    assert items("notes.txt") is None


@pytest.mark.timeout(400)
def test_orders_go_from_a_queue_to_a_table_and_poison_to_the_dead_letters(
    cloud, functions, make, sdk, items
):
    sqs, name = cloud.client("sqs"), make(ORDERS, sdk, Timeout=20)
    assert functions.invoke(name, {"Records": []}).error is None
    dead = sqs.create_queue(QueueName="orders-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders-dead",
               "maxReceiveCount": "2"}
    url = sqs.create_queue(
        QueueName="orders",
        Attributes={"VisibilityTimeout": "20", "RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
    mapping = functions.client.create_event_source_mapping(
        FunctionName=name, EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders", BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"])
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    for number in range(20):
        body = json.dumps({"id": f"order {number}", "amount": number})
        sqs.send_message(QueueUrl=url, MessageBody=body)
    for number in range(20):
        item = until(lambda: items(f"order {number}"), limit=60)
        assert item["amount"]["N"] == str(number)

    def letters():
        found = sqs.receive_message(
            QueueUrl=dead, WaitTimeSeconds=10, AttributeNames=["ApproximateReceiveCount"])
        return found.get("Messages")

    (letter,) = until(letters, limit=180)
    assert letter["Body"] == "poison"
    functions.client.delete_event_source_mapping(UUID=mapping["UUID"])


def test_an_upload_starts_a_task(cloud, items):
    containers, events, s3 = Containers(cloud), cloud.client("events"), cloud.client("s3")
    containers.ecs.create_cluster()
    containers.push()
    definition = containers.define("for-uploads", "echo working on $KEY")
    s3.create_bucket(Bucket="inbox")
    s3.put_bucket_notification_configuration(
        Bucket="inbox", NotificationConfiguration={"EventBridgeConfiguration": {}})
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"],
               "detail": {"bucket": {"name": ["inbox"]}}}
    events.put_rule(Name="uploads", EventPattern=json.dumps(pattern))
    network = containers.network["awsvpcConfiguration"]
    overrides = '{"containerOverrides": [{"name": "web", "environment": [{"name": "KEY", "value": <key>}]}]}'
    put = events.put_targets(Rule="uploads", Targets=[{
        "Id": "task",
        "Arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/default",
        "RoleArn": TASK_ROLE,
        "InputTransformer": {
            "InputPathsMap": {"key": "$.detail.object.key"}, "InputTemplate": overrides},
        "EcsParameters": {
            "TaskDefinitionArn": definition,
            "TaskCount": 1,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {
                "Subnets": network["subnets"], "SecurityGroups": network["securityGroups"]}},
        },
    }])
    assert put["FailedEntryCount"] == 0
    s3.put_object(Bucket="inbox", Key="work.txt", Body=b"to be done")

    def tasks():
        return containers.ecs.list_tasks(
            startedBy="events-rule/uploads", desiredStatus="STOPPED")["taskArns"]

    (arn,) = until(tasks)
    containers.wait(arn, "STOPPED")
    lines = until(lambda: containers.lines("for-uploads", arn))
    assert lines == ["working on work.txt"]


@pytest.mark.timeout(300)
def test_a_rule_has_called_each_minute(clock, items):
    item = until(lambda: items("tick"), limit=150)
    assert item["rule"]["S"] == clock
