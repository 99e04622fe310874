"""Changes of items in Kinesis streams, with boto3."""

import json

from support.cloud import until


def made(cloud):
    """A table whose changes go to a stream."""
    dynamodb, kinesis = cloud.client("dynamodb"), cloud.client("kinesis")
    kinesis.create_stream(StreamName="captured", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="captured", WaiterConfig={"Delay": 1})
    arn = kinesis.describe_stream_summary(StreamName="captured")["StreamDescriptionSummary"]["StreamARN"]
    dynamodb.create_table(
        TableName="captured", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}])
    dynamodb.get_waiter("table_exists").wait(TableName="captured", WaiterConfig={"Delay": 1})
    dynamodb.enable_kinesis_streaming_destination(TableName="captured", StreamArn=arn)
    until(lambda: state(dynamodb) == "ACTIVE")
    return dynamodb, arn


def state(dynamodb):
    found = dynamodb.describe_kinesis_streaming_destination(TableName="captured")
    return found["KinesisDataStreamDestinations"][0]["DestinationStatus"]


def records(cloud):
    kinesis = cloud.client("kinesis")
    shard = kinesis.list_shards(StreamName="captured")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(
        StreamName="captured", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    return [json.loads(one["Data"]) for one in kinesis.get_records(ShardIterator=iterator)["Records"]]


def test_no_acknowledged_change_is_lost_by_a_kill(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    dynamodb, arn = made(cloud)
    for number in range(100):
        dynamodb.put_item(TableName="captured", Item={"p": {"S": f"k{number % 7}"}, "n": {"N": str(number)}})
    cloud.kill()
    cloud.start()
    numbers = lambda: [int(one["dynamodb"]["NewImage"]["n"]["N"]) for one in records(cloud)]
    # at most five reads a second
    found = until(numbers, lambda numbers: set(numbers) == set(range(100)), every=0.5)
    for key in range(7):  # at least once, and in order item by item
        own = [number for number in dict.fromkeys(found) if number % 7 == key]
        assert own == sorted(own)
    dynamodb = cloud.client("dynamodb")
    dynamodb.disable_kinesis_streaming_destination(TableName="captured", StreamArn=arn)
    until(lambda: state(dynamodb) == "DISABLED")
