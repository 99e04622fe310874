"""DynamoDB and its streams, with boto3."""

import itertools
import json
import random
import threading
import time
import zlib
from decimal import Decimal

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.config import Config

from support.cloud import until
from support.enforced import refusal, root_of, user_of
from support.policies import allow

ROUNDS = 4


@pytest.fixture
def dynamodb(cloud):
    return cloud.client("dynamodb")


def create(client, name, **more):
    """A table with partition key `p` (S) and sort key `s` (N), that can be used."""
    arguments = {
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"},
                                 {"AttributeName": "s", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    }
    client.create_table(**{**arguments, **more})
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name


def resource(cloud, name):
    """A table of the resource API."""
    return boto3.resource(
        "dynamodb", endpoint_url=cloud.endpoint, region_name="us-east-1", aws_access_key_id="test",
        aws_secret_access_key="test", config=Config(retries={"total_max_attempts": 1})).Table(name)


def test_the_resource_api_round_trips_every_type(cloud, dynamodb):
    table = resource(cloud, create(dynamodb, "types"))
    item = {
        "p": "a", "s": Decimal(1), "number": Decimal("-12345678901234567890.123456789012345678"),
        "bytes": Binary(b"\x00\xff"), "strings": {"x", "y"}, "numbers": {Decimal(1), Decimal("2.5")},
        "binaries": {Binary(b"1"), Binary(b"2")}, "nothing": None, "flag": True,
        "document": {"list": [Decimal(1), {"deep": ["ü", False]}], "empty": {}, "": "no name"},
    }
    table.put_item(Item=item)
    assert table.get_item(Key={"p": "a", "s": 1}, ConsistentRead=True)["Item"] == item
    changed = table.update_item(
        Key={"p": "a", "s": 1}, ReturnValues="UPDATED_NEW",
        UpdateExpression="SET #d.#l[1].deep[0] = :v, hits = if_not_exists(hits, :z) + :one REMOVE flag",
        ExpressionAttributeNames={"#d": "document", "#l": "list"},
        ExpressionAttributeValues={":v": "u", ":z": 0, ":one": 1})["Attributes"]
    assert changed == {"document": {"list": [{"deep": ["u"]}]}, "hits": 1}
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as failed:
        table.put_item(Item={"p": "a", "s": 1}, ConditionExpression=Attr("p").not_exists(),
                       ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert failed.value.response["Item"]["hits"] == {"N": "1"}
    with table.batch_writer() as batch:
        for number in range(2, 60):
            batch.put_item(Item={"p": "a", "s": number, "even": number % 2 == 0})
    pages = dynamodb.get_paginator("query").paginate(
        TableName="types", KeyConditionExpression="p = :p AND s > :s", FilterExpression="even = :t",
        ExpressionAttributeValues={":p": {"S": "a"}, ":s": {"N": "9"}, ":t": {"BOOL": True}},
        PaginationConfig={"PageSize": 7}, ScanIndexForward=False)
    found = [int(item["s"]["N"]) for page in pages for item in page["Items"]]
    assert found == list(range(58, 9, -2))
    assert table.scan(FilterExpression=Key("s").between(5, 8), Select="COUNT")["Count"] == 4
    table.delete()
    table.wait_until_not_exists()


def test_answers_bring_their_checksum(cloud):
    status, headers, body = cloud.http("POST", "/", body=b"{}", headers={
        "X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"})
    assert (status, int(headers["x-amz-crc32"])) == (200, zlib.crc32(body))


def test_indexes_transactions_and_partiql(cloud, dynamodb):
    keys = [{"AttributeName": "g", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
    name = create(dynamodb, "shop")
    table = resource(cloud, name)
    for number in range(5):
        table.put_item(Item={"p": f"order{number}", "s": number, "g": "open" if number % 2 else "done"})
    dynamodb.update_table(
        TableName=name, AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": {"IndexName": "by-g", "KeySchema": keys,
                                                 "Projection": {"ProjectionType": "KEYS_ONLY"}}}])
    until(lambda: [index["IndexStatus"] for index in dynamodb.describe_table(TableName=name)["Table"]
                   ["GlobalSecondaryIndexes"]] == ["ACTIVE"])
    found = table.query(IndexName="by-g", KeyConditionExpression=Key("g").eq("done"))["Items"]
    assert [item["p"] for item in found] == ["order0", "order2", "order4"]
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
        dynamodb.transact_write_items(TransactItems=[
            {"Put": {"TableName": name, "Item": {"p": {"S": "new"}, "s": {"N": "1"}}}},
            {"ConditionCheck": {"TableName": name, "Key": {"p": {"S": "none"}, "s": {"N": "1"}},
                                "ConditionExpression": "attribute_exists(p)"}}])
    reasons = [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed"]
    assert "Item" not in table.get_item(Key={"p": "new", "s": 1})
    dynamodb.execute_statement(Statement=f"UPDATE {name} SET g = 'late' WHERE p = 'order1' AND s = 1")
    late = dynamodb.execute_statement(Statement=f'SELECT p FROM "{name}"."by-g" WHERE g = ?',
                                      Parameters=[{"S": "late"}])["Items"]
    assert late == [{"p": {"S": "order1"}}]


def test_a_stream_is_read_with_its_own_client(cloud, dynamodb):
    name = create(dynamodb, "streamed", StreamSpecification={
        "StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    streams = cloud.client("dynamodbstreams")
    arn = dynamodb.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    assert [s["StreamArn"] for s in streams.list_streams(TableName=name)["Streams"]] == [arn]
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST")["ShardIterator"]
    table = resource(cloud, name)
    table.put_item(Item={"p": "a", "s": 1, "v": 1})
    table.put_item(Item={"p": "a", "s": 1, "v": 2})
    table.delete_item(Key={"p": "a", "s": 1})
    page = streams.get_records(ShardIterator=iterator)
    assert [record["eventName"] for record in page["Records"]] == ["INSERT", "MODIFY", "REMOVE"]
    assert page["Records"][1]["dynamodb"]["OldImage"]["v"] == {"N": "1"}
    assert streams.get_records(ShardIterator=page["NextShardIterator"])["Records"] == []


def test_leading_keys_and_resource_policies_decide_in_enforce_mode(tmp_path, new_cloud):
    cloud = new_cloud("--auth", "enforce", data_dir=tmp_path / "data")
    root = root_of(cloud)
    owner = cloud.client("dynamodb", **root)
    arn = owner.describe_table(TableName=create(owner, "guarded"))["Table"]["TableArn"]
    own = allow("dynamodb:*Item", "dynamodb:Query", resource=arn, Condition={
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}})
    client = cloud.client("dynamodb", **user_of(cloud, root, "u", own))

    def item(p):
        return {"p": {"S": p}, "s": {"N": "1"}}

    def query(p):
        return {"TableName": "guarded", "KeyConditionExpression": "p = :p",
                "ExpressionAttributeValues": {":p": {"S": p}}}

    client.put_item(TableName="guarded", Item=item("mine"))
    assert client.query(**query("mine"))["Count"] == 1
    denied = refusal(client.put_item, TableName="guarded", Item=item("other"))
    assert denied[0] == "AccessDeniedException" and "dynamodb:PutItem" in denied[1]
    assert refusal(client.query, **query("other"))[0] == "AccessDeniedException"
    assert refusal(client.scan, TableName="guarded")[0] == "AccessDeniedException"
    put = [{"Put": {"TableName": "guarded", "Item": item(p)}} for p in ("mine", "other")]
    assert refusal(client.transact_write_items, TransactItems=put)[0] == "AccessDeniedException"
    client.transact_write_items(TransactItems=put[:1])
    insert = "INSERT INTO guarded VALUE {'p': 'mine', 's': 2}"
    assert refusal(client.execute_statement, Statement=insert)[0] == "AccessDeniedException"
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "dynamodb:Scan", "Resource": arn}]}
    owner.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy))
    assert client.scan(TableName="guarded")["Count"] == 1
    cloud.stop()


def test_acknowledged_items_survive_kill_9(tmp_path, new_cloud):
    random.seed(20261125)
    cloud = new_cloud("--wait-divisor", "60", data_dir=tmp_path / "data")
    create(cloud.client("dynamodb"), "kept", StreamSpecification={
        "StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    kept, numbers = {}, itertools.count()
    for _ in range(ROUNDS):
        stop = threading.Event()

        def write():
            table = resource(cloud, "kept")
            while not stop.is_set():
                number = next(numbers)
                try:
                    table.put_item(Item={"p": f"p{number % 50}", "s": number, "v": number})
                    kept[number] = number
                    if number % 5 == 0:
                        table.update_item(Key={"p": f"p{number % 50}", "s": number},
                                          UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": -1})
                        kept[number] = -1
                except Exception:  # the cloud was killed: not acknowledged
                    return

        writers = [threading.Thread(target=write) for _ in range(6)]
        for writer in writers:
            writer.start()
        time.sleep(random.uniform(0.3, 0.8))
        cloud.kill()
        stop.set()
        for writer in writers:
            writer.join()
        cloud.start()
        client = cloud.client("dynamodb")
        pages = client.get_paginator("scan").paginate(TableName="kept")
        found = {int(item["s"]["N"]): int(item["v"]["N"]) for page in pages for item in page["Items"]}
        # an update that was not acknowledged may have been done all the same
        wrong = {number for number, value in kept.items() if found.get(number) not in (value, -1)}
        assert not wrong, sorted(wrong)
        assert client.describe_table(TableName="kept")["Table"]["ItemCount"] == len(found)
        assert inserted(cloud) == set(found), "a record for each item, and none for others"
    assert len(kept) > 100
    cloud.stop()


def test_what_tables_are_on_their_way_to_outlives_kill_9(tmp_path, new_cloud):
    cloud = new_cloud("--wait-divisor", "60", data_dir=tmp_path / "data")
    client = cloud.client("dynamodb")
    keys = [{"AttributeName": "g", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
    create(client, "long")
    table = resource(cloud, "long")
    now = int(time.time())
    with table.batch_writer() as batch:
        for number in range(300):
            batch.put_item(Item={"p": "a", "s": number, "g": "x", "due": now - 60 if number < 10 else now + 9999})
    client.update_continuous_backups(
        TableName="long", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    backup = client.create_backup(TableName="long", BackupName="all")["BackupDetails"]["BackupArn"]
    client.update_table(
        TableName="long", AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": {"IndexName": "by-g", "KeySchema": keys,
                                                 "Projection": {"ProjectionType": "ALL"}}}])
    client.update_time_to_live(
        TableName="long", TimeToLiveSpecification={"Enabled": True, "AttributeName": "due"})
    cloud.kill()
    cloud.start()
    client = cloud.client("dynamodb")

    def counts(name):
        found = client.describe_table(TableName=name)["Table"]
        indexes = [index["ItemCount"] for index in found.get("GlobalSecondaryIndexes", [])]
        return found["TableStatus"], found["ItemCount"], indexes

    until(lambda: counts("long"), lambda found: found == ("ACTIVE", 290, [290]))
    client.restore_table_from_backup(TargetTableName="from-backup", BackupArn=backup)
    client.restore_table_to_point_in_time(
        SourceTableName="long", TargetTableName="from-moment", UseLatestRestorableTime=True)
    cloud.kill()
    cloud.start()
    client = cloud.client("dynamodb")
    until(lambda: counts("from-backup"), lambda found: found == ("ACTIVE", 300, []))
    until(lambda: counts("from-moment"), lambda found: found == ("ACTIVE", 290, [290]))
    client.delete_table(TableName="long")
    cloud.kill()
    cloud.start()
    client = cloud.client("dynamodb")
    until(lambda: client.list_tables()["TableNames"] == ["from-backup", "from-moment"])
    cloud.stop()


def inserted(cloud):
    """The sort keys that the stream tells of as inserted."""
    arn = cloud.client("dynamodb").describe_table(TableName="kept")["Table"]["LatestStreamArn"]
    streams = cloud.client("dynamodbstreams")
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    found = set()
    while True:
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            if record["eventName"] == "INSERT":
                found.add(int(record["dynamodb"]["Keys"]["s"]["N"]))
        if not page["Records"]:
            return found
        iterator = page["NextShardIterator"]


def test_a_table_goes_to_a_bucket_and_comes_back(cloud):
    client, s3 = cloud.client("dynamodb"), cloud.client("s3")
    s3.create_bucket(Bucket="exported")
    keys = {"AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST"}
    table = client.create_table(TableName="exports", **keys)["TableDescription"]["TableArn"]
    client.get_waiter("table_exists").wait(TableName="exports", WaiterConfig={"Delay": 1})
    client.update_continuous_backups(TableName="exports", PointInTimeRecoverySpecification={
        "PointInTimeRecoveryEnabled": True})
    for number in range(20):
        client.put_item(TableName="exports", Item={
            "p": {"S": str(number)}, "b": {"B": bytes([0, number, 255])}})
    export = client.export_table_to_point_in_time(TableArn=table, S3Bucket="exported")
    arn = export["ExportDescription"]["ExportArn"]
    done = until(lambda: client.describe_export(ExportArn=arn)["ExportDescription"],
                 lambda found: found["ExportStatus"] != "IN_PROGRESS")
    assert (done["ExportStatus"], done["ItemCount"]) == ("COMPLETED", 20), done
    source = done["ExportManifest"].replace("manifest-summary.json", "data/")
    begun = client.import_table(
        S3BucketSource={"S3Bucket": "exported", "S3KeyPrefix": source},
        InputFormat="DYNAMODB_JSON", InputCompressionType="GZIP",
        TableCreationParameters={"TableName": "imports", **keys})
    arn = begun["ImportTableDescription"]["ImportArn"]
    done = until(lambda: client.describe_import(ImportArn=arn)["ImportTableDescription"],
                 lambda found: found["ImportStatus"] != "IN_PROGRESS")
    assert (done["ImportStatus"], done["ImportedItemCount"]) == ("COMPLETED", 20), done
    client.get_waiter("table_exists").wait(TableName="imports", WaiterConfig={"Delay": 1})
    found = client.get_item(TableName="imports", Key={"p": {"S": "7"}})["Item"]
    assert found["b"]["B"] == bytes([0, 7, 255])
