//! Streams, time to live and what is brought back.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_dynamodb_contract::peek::StreamPeek;
use haar_dynamodb_contract::*;
use haar_dynamodbstreams_contract::{DescribeStream, GetRecords, GetShardIterator, ListStreams};
use house::{BEGIN, House, item, key};
use serde_json::{Value, json};

async fn streamed(house: &House, view: &str) -> String {
    let stream = json!({ "StreamEnabled": true, "StreamViewType": view });
    house.table("tab", json!({ "StreamSpecification": stream })).await;
    house.active("tab").await["LatestStreamArn"].as_str().unwrap().to_owned()
}

async fn shards(house: &House, arn: &str) -> Vec<Value> {
    let stream = house.ok::<DescribeStream>(json!({ "StreamArn": arn })).await;
    stream["StreamDescription"]["Shards"].as_array().unwrap().clone()
}

async fn iterator(
    house: &House,
    arn: &str,
    shard: &Value,
    kind: &str,
    number: Option<&str>,
) -> Value {
    let mut input =
        json!({ "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": kind });
    if let Some(number) = number {
        input["SequenceNumber"] = json!(number);
    }
    house.ok::<GetShardIterator>(input).await["ShardIterator"].clone()
}

async fn records(house: &House, iterator: Value) -> Value {
    house.ok::<GetRecords>(json!({ "ShardIterator": iterator })).await
}

fn names(page: &Value) -> Vec<&str> {
    let records = page["Records"].as_array().unwrap();
    records.iter().map(|record| record["eventName"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_what_happened_in_order() {
    let house = House::new();
    let arn = streamed(&house, "NEW_AND_OLD_IMAGES").await;
    let shard = shards(&house, &arn).await.remove(0);
    let latest = iterator(&house, &arn, &shard, "LATEST", None).await;
    house.put("tab", item("a", 1, json!({ "v": { "N": "1" } }))).await;
    house.put("tab", item("a", 1, json!({ "v": { "N": "1" } }))).await; // changes nothing
    house.put("tab", item("a", 1, json!({ "v": { "N": "2" } }))).await;
    house.ok::<DeleteItem>(json!({ "TableName": "tab", "Key": key("a", 1) })).await;
    house.ok::<DeleteItem>(json!({ "TableName": "tab", "Key": key("a", 1) })).await;
    let page = records(&house, latest).await;
    assert_eq!(names(&page), ["INSERT", "MODIFY", "REMOVE"]);
    let all = page["Records"].as_array().unwrap();
    let data = &all[1]["dynamodb"];
    assert_eq!(data["Keys"], key("a", 1));
    assert_eq!(
        (&data["OldImage"]["v"], &data["NewImage"]["v"]),
        (&json!({ "N": "1" }), &json!({ "N": "2" }))
    );
    assert_eq!(
        (&all[0]["eventSource"], &all[0]["awsRegion"]),
        (&json!("aws:dynamodb"), &json!("us-east-1"))
    );
    let numbers: Vec<&str> =
        all.iter().map(|it| it["dynamodb"]["SequenceNumber"].as_str().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.iter().all(|it| it.len() == 21), "{numbers:?}");
    let at = iterator(&house, &arn, &shard, "AT_SEQUENCE_NUMBER", Some(numbers[1])).await;
    assert_eq!(names(&records(&house, at).await), ["MODIFY", "REMOVE"]);
    let after = iterator(&house, &arn, &shard, "AFTER_SEQUENCE_NUMBER", Some(numbers[1])).await;
    assert_eq!(names(&records(&house, after).await), ["REMOVE"]);
    let listed = house.ok::<ListStreams>(json!({ "TableName": "tab" })).await;
    assert_eq!(listed["Streams"][0]["StreamArn"], arn);
}

#[tokio::test(start_paused = true)]
async fn views_show_what_they_are_for() {
    for (view, shown) in [
        ("KEYS_ONLY", [false, false]),
        ("NEW_IMAGE", [true, false]),
        ("OLD_IMAGE", [false, true]),
        ("NEW_AND_OLD_IMAGES", [true, true]),
    ] {
        let house = House::new();
        let arn = streamed(&house, view).await;
        house.put("tab", item("a", 1, json!({}))).await;
        house.put("tab", item("a", 1, json!({ "v": { "N": "2" } }))).await;
        let shard = shards(&house, &arn).await.remove(0);
        let first = iterator(&house, &arn, &shard, "TRIM_HORIZON", None).await;
        let page = records(&house, first).await;
        let data = page["Records"][1]["dynamodb"].as_object().unwrap();
        assert_eq!([data.contains_key("NewImage"), data.contains_key("OldImage")], shown, "{view}");
    }
}

#[tokio::test(start_paused = true)]
async fn shards_follow_each_other_and_old_records_go() {
    let house = House::new();
    let arn = streamed(&house, "KEYS_ONLY").await;
    house.put("tab", item("a", 1, json!({}))).await;
    house.pass(Duration::from_secs(5 * 3600)).await;
    house.put("tab", item("a", 2, json!({}))).await;
    let both = shards(&house, &arn).await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[1]["ParentShardId"], both[0]["ShardId"]);
    let first = iterator(&house, &arn, &both[0], "TRIM_HORIZON", None).await;
    let page = records(&house, first).await;
    assert_eq!(names(&page), ["INSERT"]);
    let page = records(&house, page["NextShardIterator"].clone()).await;
    assert_eq!(
        (names(&page).len(), page.get("NextShardIterator")),
        (0, None),
        "a closed shard ends"
    );
    let open = iterator(&house, &arn, &both[1], "TRIM_HORIZON", None).await;
    let page = records(&house, open.clone()).await;
    assert!(page.get("NextShardIterator").is_some());
    house.pass(Duration::from_secs(16 * 60)).await;
    let late = house.call::<GetRecords>(json!({ "ShardIterator": open })).await;
    assert_eq!(late.unwrap_err().0, "ExpiredIteratorException");
    house.pass(Duration::from_secs(20 * 3600)).await;
    let old = iterator(&house, &arn, &both[0], "TRIM_HORIZON", None).await;
    assert_eq!(names(&records(&house, old).await).len(), 0, "its record is more than a day old");
    house.pass(Duration::from_secs(4 * 3600)).await;
    let left = shards(&house, &arn).await;
    assert_eq!(left.len(), 1, "the first shard ended more than a day ago");
    assert_eq!(left[0]["ShardId"], both[1]["ShardId"]);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_stream_can_be_read_to_its_end_for_a_day() {
    let house = House::new();
    let arn = streamed(&house, "KEYS_ONLY").await;
    let peek = house.doors.peeks.get::<dyn StreamPeek>().unwrap();
    let mut grown = peek.grown(&arn).unwrap();
    let before = *grown.borrow_and_update();
    house.put("tab", item("a", 1, json!({}))).await;
    assert!(
        grown.has_changed().unwrap() && *grown.borrow_and_update() > before,
        "readers are woken"
    );
    house.ok::<DeleteTable>(json!({ "TableName": "tab" })).await;
    house.pass(Duration::from_secs(1)).await;
    assert!(grown.has_changed().unwrap(), "and told of the end");
    let shard = shards(&house, &arn).await.remove(0);
    let first = iterator(&house, &arn, &shard, "TRIM_HORIZON", None).await;
    let page = records(&house, first).await;
    assert_eq!((names(&page), page.get("NextShardIterator").is_some()), (vec!["INSERT"], true));
    let page = records(&house, page["NextShardIterator"].clone()).await;
    assert_eq!(page.get("NextShardIterator"), None);
    let stream = house.ok::<DescribeStream>(json!({ "StreamArn": arn })).await;
    assert_eq!(stream["StreamDescription"]["StreamStatus"], "DISABLED");
    house.pass(Duration::from_secs(25 * 3600)).await;
    let gone = house.call::<DescribeStream>(json!({ "StreamArn": arn })).await;
    assert_eq!(gone.unwrap_err().0, "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn items_whose_time_has_come_go_by_themselves() {
    let house = House::new();
    let arn = streamed(&house, "OLD_IMAGE").await;
    let now = BEGIN.seconds();
    for (s, due) in [(1, now + 3600), (2, now + 7200), (3, now - 6 * 365 * 86_400)] {
        house.put("tab", item("a", s, json!({ "due": { "N": due.to_string() } }))).await;
    }
    let ttl = json!({ "TableName": "tab",
        "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "due" } });
    house.ok::<UpdateTimeToLive>(ttl.clone()).await;
    house.pass(Duration::from_secs(1)).await;
    let described = house.ok::<DescribeTimeToLive>(json!({ "TableName": "tab" })).await;
    let enabled = json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "due" });
    assert_eq!(described["TimeToLiveDescription"], enabled);
    let text = json!({ "due": { "S": "soon" } });
    house.put("tab", item("a", 4, text)).await;
    let extended = json!({ "due": { "N": (now + 9000).to_string() } });
    house.put("tab", item("a", 2, extended)).await;
    house.pass(Duration::from_secs(8000)).await;
    let left = [house.get("tab", "a", 1).await, house.get("tab", "a", 2).await];
    assert!(left[0].is_null() && !left[1].is_null());
    assert!(!house.get("tab", "a", 3).await.is_null(), "one over five years past stays");
    assert!(!house.get("tab", "a", 4).await.is_null(), "a text is no time");
    house.room.flush();
    assert_eq!(house.metrics.sum("TimeToLiveDeletedItemCount") as u32, 1);
    let shard = shards(&house, &arn).await.remove(0);
    let first = iterator(&house, &arn, &shard, "TRIM_HORIZON", None).await;
    let page = records(&house, first).await;
    let last = page["Records"].as_array().unwrap().last().unwrap();
    assert_eq!(last["eventName"], "REMOVE");
    let service = json!({ "PrincipalId": "dynamodb.amazonaws.com", "Type": "Service" });
    assert_eq!(last["userIdentity"], service);
    let again = house.call::<UpdateTimeToLive>(ttl).await.unwrap_err();
    assert_eq!(again.1, "TimeToLive is already enabled");
}

async fn fill(house: &House, name: &str, count: i64) {
    for s in 0..count {
        house.put(name, item("a", s, json!({ "v": { "N": "1" } }))).await;
    }
}

async fn recover(house: &House, name: &str, enabled: bool) {
    let recovery = json!({ "TableName": name,
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": enabled } });
    house.ok::<UpdateContinuousBackups>(recovery).await;
}

async fn backup_status(house: &House, arn: &str) -> Value {
    let described = house.ok::<DescribeBackup>(json!({ "BackupArn": arn })).await;
    described["BackupDescription"]["BackupDetails"]["BackupStatus"].clone()
}

fn past(house: &House) -> usize {
    house.doors.kv.keyspace("dynamodb.past").unwrap().all().count()
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_made_after_its_answer_and_holds_what_was_there_before() {
    let house = House::new();
    house.table("tab", json!({})).await;
    fill(&house, "tab", 700).await;
    let made = house.ok::<CreateBackup>(json!({ "TableName": "tab", "BackupName": "first" })).await;
    assert_eq!(made["BackupDetails"]["BackupStatus"], "CREATING");
    let arn = made["BackupDetails"]["BackupArn"].as_str().unwrap().to_owned();
    assert_eq!(backup_status(&house, &arn).await, "CREATING");
    let early = house.call::<DeleteBackup>(json!({ "BackupArn": arn })).await.unwrap_err();
    assert_eq!(early.0, "BackupInUseException");
    let restore = json!({ "TargetTableName": "copy", "BackupArn": arn });
    let early = house.call::<RestoreTableFromBackup>(restore.clone()).await.unwrap_err();
    assert_eq!(early.0, "BackupInUseException");
    house.doors.clock.sleep(Duration::from_millis(1)).await;
    for s in [0, 350, 699] {
        house.put("tab", item("a", s, json!({ "v": { "N": "2" } }))).await;
        house.put("tab", item("later", s, json!({}))).await;
        house.ok::<DeleteItem>(json!({ "TableName": "tab", "Key": key("a", s - 1) })).await;
    }
    let house = house.again().await;
    house.pass(Duration::from_secs(1)).await;
    assert_eq!(backup_status(&house, &arn).await, "AVAILABLE");
    assert_eq!(past(&house), 0, "it was kept for the backup alone");
    house.ok::<RestoreTableFromBackup>(restore).await;
    assert_eq!(house.active("copy").await["ItemCount"], 700);
    for s in [0, 349, 350, 698, 699] {
        assert_eq!(house.get("copy", "a", s).await["v"], json!({ "N": "1" }), "{s}");
    }
    assert!(house.get("copy", "later", 0).await.is_null());
    house.ok::<DeleteBackup>(json!({ "BackupArn": arn })).await;
    house.pass(Duration::from_secs(1)).await;
    assert_eq!(house.doors.kv.keyspace("dynamodb.backup").unwrap().all().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_restored_from_may_change_and_go_meanwhile() {
    let house = House::new();
    house.table("tab", json!({})).await;
    recover(&house, "tab", true).await;
    fill(&house, "tab", 700).await;
    let moment = house.doors.clock.now();
    house.pass(Duration::from_secs(60)).await;
    house.put("tab", item("a", 5, json!({ "v": { "N": "2" } }))).await;
    let restore = json!({ "SourceTableName": "tab", "TargetTableName": "copy",
        "RestoreDateTime": moment.0 as f64 / 1000.0 });
    let made = house.ok::<RestoreTableToPointInTime>(restore).await;
    assert_eq!(made["TableDescription"]["TableStatus"], "CREATING");
    recover(&house, "tab", false).await;
    house.put("tab", item("a", 6, json!({ "v": { "N": "3" } }))).await;
    house.ok::<DeleteTable>(json!({ "TableName": "tab" })).await;
    let house = house.again().await;
    assert_eq!(house.active("copy").await["ItemCount"], 700);
    for s in [5, 6] {
        assert_eq!(house.get("copy", "a", s).await["v"], json!({ "N": "1" }), "{s}");
    }
    house.pass(Duration::from_secs(1)).await;
    let gone = house.call::<DescribeTable>(json!({ "TableName": "tab" })).await.unwrap_err();
    assert_eq!(gone.0, "ResourceNotFoundException");
    assert_eq!(past(&house), 0);
}

#[tokio::test(start_paused = true)]
async fn tables_come_back_from_backups_and_from_any_moment() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for s in 0..300 {
        house.put("tab", item("a", s, json!({ "v": { "N": "1" } }))).await;
    }
    let made = house.ok::<CreateBackup>(json!({ "TableName": "tab", "BackupName": "first" })).await;
    let arn = made["BackupDetails"]["BackupArn"].as_str().unwrap().to_owned();
    let recovery = json!({ "TableName": "tab",
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true } });
    house.ok::<UpdateContinuousBackups>(recovery).await;
    house.pass(Duration::from_secs(60)).await;
    house.put("tab", item("a", 0, json!({ "v": { "N": "2" } }))).await;
    let moment = house.doors.clock.now();
    house.pass(Duration::from_secs(60)).await;
    house.put("tab", item("a", 0, json!({ "v": { "N": "3" } }))).await;
    house.put("tab", item("new", 0, json!({}))).await;
    house.ok::<DeleteItem>(json!({ "TableName": "tab", "Key": key("a", 1) })).await;

    assert_eq!(backup_status(&house, &arn).await, "AVAILABLE");
    let restore = json!({ "TargetTableName": "from-backup", "BackupArn": arn });
    house.ok::<RestoreTableFromBackup>(restore).await;
    let table = house.active("from-backup").await;
    assert_eq!(
        (&table["ItemCount"], &table["RestoreSummary"]["RestoreInProgress"]),
        (&json!(300), &json!(false))
    );
    assert_eq!(house.get("from-backup", "a", 0).await["v"], json!({ "N": "1" }));

    let restore = json!({ "SourceTableName": "tab", "TargetTableName": "from-moment",
        "RestoreDateTime": moment.0 as f64 / 1000.0 });
    house.ok::<RestoreTableToPointInTime>(restore.clone()).await;
    assert_eq!(house.active("from-moment").await["ItemCount"], 300);
    assert_eq!(house.get("from-moment", "a", 0).await["v"], json!({ "N": "2" }));
    assert!(!house.get("from-moment", "a", 1).await.is_null(), "it was there then");
    assert!(house.get("from-moment", "new", 0).await.is_null());
    let again = house.call::<RestoreTableToPointInTime>(restore).await.unwrap_err();
    assert_eq!(again.0, "TableAlreadyExistsException");

    let listed = house.ok::<ListBackups>(json!({ "TableName": "tab" })).await;
    assert_eq!(listed["BackupSummaries"][0]["BackupStatus"], "AVAILABLE");
    house.ok::<DeleteBackup>(json!({ "BackupArn": arn })).await;
    let gone = house.call::<DescribeBackup>(json!({ "BackupArn": arn })).await.unwrap_err();
    assert_eq!(gone.0, "BackupNotFoundException");
}

async fn backed_up(house: &House, table: &str) -> String {
    let made = house.ok::<CreateBackup>(json!({ "TableName": table, "BackupName": "one" })).await;
    house.pass(Duration::from_secs(1)).await;
    let arn = made["BackupDetails"]["BackupArn"].as_str().unwrap().to_owned();
    assert_eq!(backup_status(house, &arn).await, "AVAILABLE");
    arn
}

fn index(name: &str) -> Value {
    json!({ "IndexName": name, "Projection": { "ProjectionType": "ALL" },
        "KeySchema": [{ "AttributeName": "v", "KeyType": "HASH" }] })
}

fn with_v(kind: &str) -> Value {
    json!([
        { "AttributeName": "p", "AttributeType": "S" },
        { "AttributeName": "s", "AttributeType": "N" },
        { "AttributeName": "v", "AttributeType": kind },
    ])
}

#[tokio::test(start_paused = true)]
async fn items_that_an_index_does_not_take_are_restored_without_it() {
    let house = House::new();
    house.table("tab", json!({})).await;
    house.put("tab", item("a", 1, json!({ "v": { "S": "text" } }))).await;
    house.put("tab", item("a", 2, json!({ "v": { "S": "" } }))).await;
    house.put("tab", item("a", 3, json!({ "v": { "B": "eA==" } }))).await;
    let more = json!({ "TableName": "tab", "AttributeDefinitions": with_v("B"),
        "GlobalSecondaryIndexUpdates": [{ "Create": index("by-v") }] });
    house.ok::<UpdateTable>(more).await;
    house.active("tab").await;
    let arn = backed_up(&house, "tab").await;
    let restore = json!({ "TargetTableName": "copy", "BackupArn": arn });
    house.ok::<RestoreTableFromBackup>(restore).await;
    let table = house.active("copy").await;
    assert_eq!(table["ItemCount"], 3);
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], 1);
    for s in 1..=3 {
        house.ok::<DeleteItem>(json!({ "TableName": "copy", "Key": key("a", s) })).await;
    }
    let table = house.active("copy").await;
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], 0);
}

#[tokio::test(start_paused = true)]
async fn large_items_come_back_too() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let large = "x".repeat(300 << 10);
    for s in 0..9 {
        house.put("tab", item("a", s, json!({ "v": { "S": large } }))).await;
    }
    let arn = backed_up(&house, "tab").await;
    let restore = json!({ "TargetTableName": "copy", "BackupArn": arn });
    house.ok::<RestoreTableFromBackup>(restore).await;
    assert_eq!(house.active("copy").await["ItemCount"], 9);
    assert_eq!(house.get("copy", "a", 8).await["v"], json!({ "S": large }));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_restored_as_provisioned_has_its_indexes_provisioned() {
    let house = House::new();
    let indexed = json!({ "AttributeDefinitions": with_v("S"),
        "GlobalSecondaryIndexes": [index("by-v")] });
    house.table("tab", indexed).await;
    let arn = backed_up(&house, "tab").await;
    let units = |read: i64| json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": 7 });
    let mut restore = json!({ "TargetTableName": "copy", "BackupArn": arn,
        "BillingModeOverride": "PROVISIONED", "ProvisionedThroughputOverride": units(5) });
    let refused = house.call::<RestoreTableFromBackup>(restore.clone()).await.unwrap_err();
    assert!(refused.1.contains("ProvisionedThroughput must be specified for index: by-v"));
    let mut given = index("by-v");
    given["ProvisionedThroughput"] = units(6);
    restore["GlobalSecondaryIndexOverride"] = json!([given]);
    house.ok::<RestoreTableFromBackup>(restore).await;
    let table = house.active("copy").await;
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 5);
    let shown = &table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"];
    assert_eq!((&shown["ReadCapacityUnits"], &shown["WriteCapacityUnits"]), (&json!(6), &json!(7)));
    house.put("copy", item("a", 1, json!({ "v": { "S": "x" } }))).await;
}

#[tokio::test(start_paused = true)]
async fn a_longer_period_promises_nothing_that_is_gone() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let recover = |days: i32| {
        json!({ "TableName": "tab", "PointInTimeRecoverySpecification": {
            "PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": days } })
    };
    house.ok::<UpdateContinuousBackups>(recover(1)).await;
    house.pass(Duration::from_secs(3 * 86_400)).await;
    let grown = house.ok::<UpdateContinuousBackups>(recover(35)).await;
    let recovery = &grown["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    let earliest = recovery["EarliestRestorableDateTime"].as_f64().unwrap();
    let day_ago = house.doors.clock.now().0 as f64 / 1000.0 - 86_400.0;
    assert!((earliest - day_ago).abs() < 1.0, "{earliest} is not {day_ago}");
}

#[tokio::test(start_paused = true)]
async fn a_restored_table_has_the_limits_that_it_is_given() {
    let house = House::new();
    let most = |units: i64| json!({ "MaxReadRequestUnits": units, "MaxWriteRequestUnits": units });
    house.table("tab", json!({ "OnDemandThroughput": most(5) })).await;
    let made = house.ok::<CreateBackup>(json!({ "TableName": "tab", "BackupName": "first" })).await;
    let arn = made["BackupDetails"]["BackupArn"].as_str().unwrap().to_owned();
    house.pass(Duration::from_secs(1)).await;
    let seen = house.ok::<DescribeBackup>(json!({ "BackupArn": arn })).await;
    let source = &seen["BackupDescription"]["SourceTableDetails"];
    assert_eq!(source["OnDemandThroughput"], most(5));
    let mut restore = json!({ "TargetTableName": "copy", "BackupArn": arn });
    house.ok::<RestoreTableFromBackup>(restore.clone()).await;
    assert_eq!(house.active("copy").await["OnDemandThroughput"], most(5));
    restore["TargetTableName"] = json!("other");
    restore["OnDemandThroughputOverride"] = most(9);
    house.ok::<RestoreTableFromBackup>(restore.clone()).await;
    assert_eq!(house.active("other").await["OnDemandThroughput"], most(9));
    restore["TargetTableName"] = json!("third");
    restore["BillingModeOverride"] = json!("PROVISIONED");
    restore["ProvisionedThroughputOverride"] =
        json!({ "ReadCapacityUnits": 5, "WriteCapacityUnits": 5 });
    let refused = house.call::<RestoreTableFromBackup>(restore).await.unwrap_err();
    assert_eq!(refused.0, "ValidationException");
}
