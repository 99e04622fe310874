"""Kinesis Data Streams: what only a real client proves."""

import threading
import time

import pytest
from botocore.parsers import RpcV2CBORParser

from support.cloud import ACCOUNT, until
from support.policies import allow, document, refusal


@pytest.fixture
def kinesis(cloud):
    return cloud.client("kinesis")


def made(kinesis, name, shards=1):
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def read_all(kinesis, name):
    """Every record of every shard, from the horizon to the end."""
    found = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        place = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while place:
            got = kinesis.get_records(ShardIterator=place, Limit=1000)
            found += got["Records"]
            place = got.get("NextShardIterator") if got["Records"] else None
    return found


def test_records_keep_their_bytes_and_their_order(kinesis):
    made(kinesis, "orders", 2)
    blobs = [bytes([index, 255, 0]) for index in range(20)]
    answer = kinesis.put_records(
        StreamName="orders", Records=[{"Data": blob, "PartitionKey": "one"} for blob in blobs]
    )
    assert answer["FailedRecordCount"] == 0
    assert len({record["ShardId"] for record in answer["Records"]}) == 1
    found = read_all(kinesis, "orders")
    assert [record["Data"] for record in found] == blobs
    numbers = [int(record["SequenceNumber"]) for record in found]
    assert numbers == sorted(set(numbers))
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException) as refused:
        kinesis.put_record(StreamName="none", Data=b"", PartitionKey="k")
    assert "Stream none under account 000000000000 not found." in str(refused.value)


def test_shards_split_merge_and_scale(kinesis):
    arn = made(kinesis, "scaled")
    middle = str(2**127)
    kinesis.split_shard(StreamARN=arn, ShardToSplit="shardId-000000000000", NewStartingHashKey=middle)
    kinesis.get_waiter("stream_exists").wait(StreamName="scaled", WaiterConfig={"Delay": 1})
    kinesis.update_shard_count(StreamName="scaled", TargetShardCount=4, ScalingType="UNIFORM_SCALING")

    def open_shards():
        shown = kinesis.list_shards(StreamARN=arn, ShardFilter={"Type": "AT_LATEST"})["Shards"]
        return shown if len(shown) == 4 else None

    shards = until(open_shards)
    ranges = sorted(int(shard["HashKeyRange"]["StartingHashKey"]) for shard in shards)
    assert ranges == [0, 2**126, 2**127, 3 * 2**126]


def test_a_consumer_is_pushed_records(kinesis):
    arn = made(kinesis, "pushed")
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="app")["Consumer"]["ConsumerARN"]
    described = lambda: kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
    until(lambda: described()["ConsumerStatus"] == "ACTIVE")
    events = kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId="shardId-000000000000", StartingPosition={"Type": "LATEST"}
    )["EventStream"]
    put = threading.Timer(0.5, lambda: kinesis.put_record(StreamARN=arn, Data=b"now", PartitionKey="k"))
    put.start()
    for event in events:
        records = event["SubscribeToShardEvent"]["Records"]
        if records:
            break
    events.close()
    put.join()
    assert [record["Data"] for record in records] == [b"now"]


def encoded(value):
    """A value as CBOR, as far as requests need it."""
    def head(kind, number):
        for size, (code, limit) in enumerate([(24, 2**8), (25, 2**16), (26, 2**32), (27, 2**64)]):
            if number < 24:
                return bytes([kind << 5 | number])
            if number < limit:
                return bytes([kind << 5 | code]) + number.to_bytes(2**size, "big")

    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(encoded(k) + encoded(v) for k, v in value.items())
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    return head(0, value)


def test_javas_clients_speak_cbor(kinesis, cloud):
    """AWS's SDKs for Java send Kinesis's JSON protocol as CBOR, with times in milliseconds."""
    made(kinesis, "java")

    def call(operation, **members):
        headers = {
            "X-Amz-Target": f"Kinesis_20131202.{operation}",
            "Content-Type": "application/x-amz-cbor-1.1",
        }
        status, headers, body = cloud.http("POST", "/", encoded(members), headers)
        assert headers["content-type"] == "application/x-amz-cbor-1.1"
        parser = RpcV2CBORParser()
        return status, parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else None

    before = int(time.time() * 1000) - 1000
    status, put = call("PutRecord", StreamName="java", Data=bytes([0, 255]), PartitionKey="k")
    assert (status, put["ShardId"]) == (200, "shardId-000000000000")
    place = {"StreamName": "java", "ShardId": put["ShardId"]}
    status, at = call("GetShardIterator", ShardIteratorType="AT_TIMESTAMP", Timestamp=before, **place)
    assert status == 200, at
    status, got = call("GetRecords", ShardIterator=at["ShardIterator"])
    assert got["Records"][0]["Data"] == bytes([0, 255])
    status, refused = call("DescribeStream", StreamName="none")
    assert (status, refused["__type"]) == (400, "ResourceNotFoundException")


def test_policies_are_weighed_by_stream_however_it_is_named(closed, root, user):
    kinesis = closed.client("kinesis", **root)
    arn, other = made(kinesis, "mine"), made(kinesis, "other")
    actions = ("kinesis:PutRecord", "kinesis:GetRecords", "kinesis:GetShardIterator")
    theirs = closed.client("kinesis", **user("streamer", allow(*actions, resource=arn)))
    for named in [{"StreamName": "mine"}, {"StreamARN": arn}]:
        theirs.put_record(Data=b"x", PartitionKey="k", **named)
    for named in [{"StreamName": "other"}, {"StreamARN": other}]:
        code, text, _ = refusal(theirs.put_record, Data=b"x", PartitionKey="k", **named)
        assert code == "AccessDeniedException" and "kinesis:PutRecord" in text and other in text
    place = {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    mine = theirs.get_shard_iterator(StreamName="mine", **place)["ShardIterator"]
    assert len(theirs.get_records(ShardIterator=mine)["Records"]) == 2
    foreign = kinesis.get_shard_iterator(StreamName="other", **place)["ShardIterator"]
    assert refusal(theirs.get_records, ShardIterator=foreign)[0] == "AccessDeniedException"
    reader = closed.client("kinesis", **user("reader"))
    assert refusal(reader.get_records, ShardIterator=foreign)[0] == "AccessDeniedException"
    who = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/reader"}
    policy = document(allow("kinesis:GetRecords", resource=other, Principal=who))
    kinesis.put_resource_policy(ResourceARN=other, Policy=policy)
    assert reader.get_records(ShardIterator=foreign)["Records"] == []


def test_what_was_acknowledged_survives_a_kill(tmp_path, new_cloud):
    cloud = new_cloud(data_dir=tmp_path / "data")
    kinesis = cloud.client("kinesis")
    made(kinesis, "kept", 2)
    kept = [kinesis.put_record(StreamName="kept", Data=str(n).encode(), PartitionKey=str(n)) for n in range(50)]
    cloud.kill()
    cloud.start()
    kinesis = cloud.client("kinesis")
    found = {record["SequenceNumber"]: record["Data"] for record in read_all(kinesis, "kept")}
    assert found == {one["SequenceNumber"]: str(n).encode() for n, one in enumerate(kept)}
    later = kinesis.put_record(StreamName="kept", Data=b"later", PartitionKey="1")
    same = [one for one in kept if one["ShardId"] == later["ShardId"]]
    assert int(later["SequenceNumber"]) > max(int(one["SequenceNumber"]) for one in same)
