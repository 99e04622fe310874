"""A disk that fills up: clear refusals, nothing lost, and all goes on when there is room again."""

import json
import os
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from support.containers import Containers
from support.registry import Registry

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]


def fill(disk):
    """Takes all room that there is, as another program would."""
    with open(disk / "ballast", "wb") as ballast:
        try:
            while True:
                ballast.write(bytes(MIB))
                ballast.flush()
        except OSError:
            pass


def write_all(s3, dynamodb, sqs, url, name):
    s3.put_object(Bucket="full", Key=f"{name}-small", Body=name.encode())
    s3.put_object(Bucket="full", Key=f"{name}-large", Body=os.urandom(MIB))
    dynamodb.put_item(TableName="full", Item={"p": {"S": name}})
    sqs.send_message(QueueUrl=url, MessageBody=name, MessageGroupId="g", MessageDeduplicationId=name)


def test_a_full_disk_refuses_writes_serves_reads_and_takes_writes_again(new_cloud, small_disk):
    cloud = new_cloud(data_dir=small_disk / "data")
    s3, dynamodb, sqs = (cloud.client(name) for name in ("s3", "dynamodb", "sqs"))
    s3.create_bucket(Bucket="full")
    dynamodb.create_table(
        TableName="full", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}])
    dynamodb.get_waiter("table_exists").wait(TableName="full", WaiterConfig={"Delay": 1})
    url = sqs.create_queue(QueueName="full.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    write_all(s3, dynamodb, sqs, url, "before")

    fill(small_disk)
    full = ("ServiceUnavailable", 503)
    assert refusal(s3.put_object, Bucket="full", Key="k", Body=b"small") == full
    assert refusal(s3.put_object, Bucket="full", Key="k", Body=os.urandom(MIB)) == full
    assert refusal(dynamodb.put_item, TableName="full", Item={"p": {"S": "k"}}) == (
        "InternalServerError", 500)
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="after", MessageGroupId="g",
                   MessageDeduplicationId="after") == full
    assert refusal(s3.create_bucket, Bucket="another") == full
    assert s3.get_object(Bucket="full", Key="before-small")["Body"].read() == b"before"
    assert dynamodb.get_item(TableName="full", Key={"p": {"S": "before"}})["Item"]
    assert not os.listdir(small_disk / "data" / "blobs" / "incoming")

    time.sleep(1)  # the meter tries again meanwhile, and is not heard again
    assert cloud.logged().count("could not write metering records") <= 1

    os.remove(small_disk / "ballast")
    write_all(s3, dynamodb, sqs, url, "after")
    s3.create_bucket(Bucket="another")
    cloud.kill()
    cloud.start()
    s3, dynamodb, sqs = (cloud.client(name) for name in ("s3", "dynamodb", "sqs"))
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="full")["Contents"]]
    assert keys == ["after-large", "after-small", "before-large", "before-small"]
    for key in keys:
        assert s3.get_object(Bucket="full", Key=key)["Body"].read()
    assert dynamodb.scan(TableName="full", Select="COUNT")["Count"] == 2
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [one["Body"] for one in taken] == ["before", "after"]
    assert {one["Name"] for one in s3.list_buckets()["Buckets"]} == {"another", "full"}


def test_records_that_a_full_disk_refuses_have_it_swept(new_cloud, small_disk):
    cloud = new_cloud(data_dir=small_disk / "data")
    s3, dynamodb = cloud.client("s3"), cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="full", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}])
    dynamodb.get_waiter("table_exists").wait(TableName="full", WaiterConfig={"Delay": 1})
    s3.create_bucket(Bucket="full")
    s3.put_object(Bucket="full", Key="let-go", Body=os.urandom(112 * MIB))
    s3.put_object(Bucket="full", Key="kept", Body=os.urandom(MIB))
    s3.delete_object(Bucket="full", Key="let-go")
    cloud.kill()
    cloud.start()  # what an earlier process put is swept at once
    s3, dynamodb = cloud.client("s3"), cloud.client("dynamodb")

    fill(small_disk)
    item = {"TableName": "full", "Item": {"p": {"S": "k"}}}
    assert refusal(dynamodb.put_item, **item) == ("InternalServerError", 500)
    end = time.monotonic() + 20
    while True:
        try:
            dynamodb.put_item(**item)
            break
        except ClientError:
            assert time.monotonic() < end, cloud.logged()
            time.sleep(0.1)
    assert len(list((small_disk / "data" / "blobs" / "sha256").glob("*/*"))) == 1
    assert len(s3.get_object(Bucket="full", Key="kept")["Body"].read()) == MIB


def test_what_is_published_to_a_full_disk_is_refused_and_nothing_of_it_arrives_later(new_cloud, small_disk):
    cloud = new_cloud(data_dir=small_disk / "data")
    sns, sqs, events, kinesis = (cloud.client(name) for name in ("sns", "sqs", "events", "kinesis"))
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("of-topic", "of-bus")}
    arn = lambda name: f"arn:aws:sqs:us-east-1:000000000000:{name}"
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("of-topic"),
                  Attributes={"RawMessageDelivery": "true"})
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["test"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn("of-bus"), "InputPath": "$.detail"}])
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
    asks = {
        "topic": lambda text: sns.publish(TopicArn=topic, Message=text),
        "bus": lambda text: events.put_events(Entries=[
            {"Source": "test", "DetailType": "d", "Detail": json.dumps({"n": text})}]),
        "stream": lambda text: kinesis.put_record(StreamName="s", PartitionKey="k", Data=text.encode()),
    }
    for ask in asks.values():
        ask("before")
    fill(small_disk)
    refused = {name: refusal(ask, text="lost") for name, ask in asks.items()}
    assert refused == {
        "topic": ("ServiceUnavailable", 503), "bus": ("InternalException", 500),
        "stream": ("ServiceUnavailable", 503)}
    os.remove(small_disk / "ballast")
    for ask in asks.values():
        ask("after")
    cloud.kill()
    cloud.start()
    sqs, kinesis = cloud.client("sqs"), cloud.client("kinesis")

    def taken(url):
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
            found += [one["Body"] for one in messages]
        return sorted(found)

    assert taken(urls["of-topic"]) == ["after", "before"]
    assert [json.loads(body)["n"] for body in taken(urls["of-bus"])] == ["after", "before"]
    place = kinesis.get_shard_iterator(
        StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    records = kinesis.get_records(ShardIterator=place)["Records"]
    assert [record["Data"] for record in records] == [b"before", b"after"]


def test_an_image_that_does_not_fit_the_disk_is_told_at_once(new_cloud, small_disk):
    cloud = new_cloud(data_dir=small_disk / "data")
    containers = Containers(cloud)
    containers.ecs.create_cluster()
    Registry(cloud).ecr.create_repository(repositoryName="large")
    # little to send, more than the disk has to unpack
    Registry(cloud).push("large", "1", [{"zeros": bytes(300 * MIB)}])
    containers.image = f"localhost:{cloud.port}/large:1"
    containers.define("large", "true")
    task = containers.wait(containers.run("large"), "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: ref pull has been retried 1 ")
    assert "No space left on device" in task["stoppedReason"]
    begun, ended = task["pullStartedAt"], task["stoppedAt"]
    assert (ended - begun).total_seconds() < 20
