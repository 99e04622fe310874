//! Changes of items in Kinesis streams.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_dynamodb_contract::*;
use haar_kinesis_contract::{CreateStream, DeleteStream, GetRecords, GetShardIterator};
use house::{House, invalid, item, key};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/changes";

async fn house_with_stream() -> House {
    let house = House::new();
    house.table("tab", json!({})).await;
    house.active("tab").await;
    make_stream(&house).await;
    house
}

async fn make_stream(house: &House) {
    house.ok::<CreateStream>(json!({ "StreamName": "changes", "ShardCount": 1 })).await;
    house.pass(Duration::from_secs(60)).await;
}

fn named() -> Value {
    json!({ "TableName": "tab", "StreamArn": ARN })
}

async fn status(house: &House) -> Value {
    let input = json!({ "TableName": "tab" });
    let all = house.ok::<DescribeKinesisStreamingDestination>(input).await;
    all["KinesisDataStreamDestinations"].clone()
}

async fn records(house: &House) -> Vec<Value> {
    house.pass(Duration::from_secs(2)).await;
    let input = json!({ "StreamName": "changes", "ShardId": "shardId-000000000000",
        "ShardIteratorType": "TRIM_HORIZON" });
    let iterator = house.ok::<GetShardIterator>(input).await["ShardIterator"].clone();
    let page = house.ok::<GetRecords>(json!({ "ShardIterator": iterator })).await;
    let read = |one: &Value| {
        let bytes = STANDARD.decode(one["Data"].as_str().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    page["Records"].as_array().unwrap().iter().map(read).collect()
}

async fn enable(house: &House) {
    house.ok::<EnableKinesisStreamingDestination>(named()).await;
    house.pass(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn changes_arrive_in_order_with_both_images_while_enabled() {
    let house = house_with_stream().await;
    house.put("tab", item("before", 1, json!({}))).await;
    let enabling = house.ok::<EnableKinesisStreamingDestination>(named()).await;
    assert_eq!(enabling["DestinationStatus"], "ENABLING");
    house.pass(Duration::from_secs(1)).await;
    assert_eq!(status(&house).await[0]["DestinationStatus"], "ACTIVE");
    for number in 0..20 {
        let value = json!({ "v": { "N": number.to_string() } });
        house.put("tab", item("a", 1, value)).await;
    }
    house.put("tab", item("a", 1, json!({ "v": { "N": "19" } }))).await; // changes nothing
    house.ok::<DeleteItem>(json!({ "TableName": "tab", "Key": key("a", 1) })).await;
    let records = records(&house).await;
    let names: Vec<_> = records.iter().map(|one| one["eventName"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 21);
    assert_eq!((names[0], names[1], names[20]), ("INSERT", "MODIFY", "REMOVE"));
    for (number, record) in records[..20].iter().enumerate() {
        let change = &record["dynamodb"];
        assert_eq!(change["NewImage"]["v"], json!({ "N": number.to_string() }));
        assert_eq!(change["Keys"], key("a", 1));
        assert_eq!(change["OldImage"].is_null(), number == 0);
    }
    let first = &records[0];
    assert_eq!(first["tableName"], "tab");
    assert_eq!(first["eventSource"], "aws:dynamodb");
    assert_eq!(first["recordFormat"], "application/json");
    assert_eq!(first["userIdentity"], Value::Null);
    assert!(first["dynamodb"]["ApproximateCreationDateTime"].as_i64().unwrap() > 1_800_000_000_000);
    assert_eq!(first["dynamodb"]["ApproximateCreationDateTimePrecision"], Value::Null);

    house.ok::<DisableKinesisStreamingDestination>(named()).await;
    house.pass(Duration::from_secs(1)).await;
    assert_eq!(status(&house).await[0]["DestinationStatus"], "DISABLED");
    house.put("tab", item("after", 1, json!({}))).await;
    assert_eq!(self::records(&house).await.len(), 21);
}

#[tokio::test(start_paused = true)]
async fn transactions_and_microseconds_are_captured_too() {
    let house = house_with_stream().await;
    enable(&house).await;
    let finer = json!({ "TableName": "tab", "StreamArn": ARN,
        "UpdateKinesisStreamingConfiguration": {
            "ApproximateCreationDateTimePrecision": "MICROSECOND" } });
    house.ok::<UpdateKinesisStreamingDestination>(finer.clone()).await;
    house.pass(Duration::from_secs(1)).await;
    let again = house.call::<UpdateKinesisStreamingDestination>(finer).await.unwrap_err();
    assert!(again.1.contains("Precision is already set to the desired value of MICROSECOND"));
    let puts: Vec<Value> = (0..3)
        .map(
            |number| json!({ "Put": { "TableName": "tab", "Item": item("t", number, json!({})) } }),
        )
        .collect();
    house.ok::<TransactWriteItems>(json!({ "TransactItems": puts })).await;
    let records = records(&house).await;
    assert_eq!(records.len(), 3);
    for record in records {
        let change = &record["dynamodb"];
        assert_eq!(change["ApproximateCreationDateTimePrecision"], "MICROSECOND");
        assert!(change["ApproximateCreationDateTime"].as_i64().unwrap() > 1_800_000_000_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_stream_outlives_a_restart_and_arrives_once_it_is_there() {
    let house = house_with_stream().await;
    enable(&house).await;
    house.ok::<DeleteStream>(json!({ "StreamName": "changes" })).await;
    house.pass(Duration::from_secs(60)).await;
    for number in 0..5 {
        house.put("tab", item("a", 1, json!({ "v": { "N": number.to_string() } }))).await;
    }
    house.pass(Duration::from_secs(10)).await;
    let house = house.again().await;
    make_stream(&house).await;
    house.pass(Duration::from_secs(120)).await;
    let values: Vec<Value> =
        records(&house).await.iter().map(|one| one["dynamodb"]["NewImage"]["v"].clone()).collect();
    let wanted: Vec<Value> = (0..5).map(|number| json!({ "N": number.to_string() })).collect();
    assert_eq!(values, wanted);
}

#[tokio::test(start_paused = true)]
async fn what_aws_refuses_is_refused() {
    let house = house_with_stream().await;
    let unseen = invalid("User does not have a permission to use kinesis stream");
    let none = json!({ "TableName": "tab", "StreamArn": format!("{ARN}-none") });
    assert_eq!(house.call::<EnableKinesisStreamingDestination>(none).await, unseen);
    let (code, _) = house
        .call::<EnableKinesisStreamingDestination>(json!({ "TableName": "nix", "StreamArn": ARN }))
        .await
        .unwrap_err();
    assert_eq!(code, "ResourceNotFoundException");
    let off = invalid(
        "Table is not in a valid state to disable Kinesis Streaming Destination: \
         KinesisStreamingDestination must be ACTIVE to perform DISABLE operation.",
    );
    assert_eq!(house.call::<DisableKinesisStreamingDestination>(named()).await, off);
    enable(&house).await;
    let (code, text) = house.call::<EnableKinesisStreamingDestination>(named()).await.unwrap_err();
    assert_eq!(code, "ValidationException");
    assert!(text.ends_with("must be DISABLED or ENABLE_FAILED to perform ENABLE operation."));
}

#[tokio::test(start_paused = true)]
async fn a_restored_table_sends_nothing_where_its_source_does() {
    let house = house_with_stream().await;
    enable(&house).await;
    house.put("tab", item("a", 1, json!({}))).await;
    assert_eq!(records(&house).await.len(), 1);
    let backup = json!({ "TableName": "tab", "BackupName": "backup" });
    let made = house.ok::<CreateBackup>(backup).await;
    house.pass(Duration::from_secs(60)).await;
    let arn = &made["BackupDetails"]["BackupArn"];
    house
        .ok::<RestoreTableFromBackup>(json!({ "TargetTableName": "copy", "BackupArn": arn }))
        .await;
    house.pass(Duration::from_secs(60)).await;
    let item = house.ok::<GetItem>(json!({ "TableName": "copy", "Key": key("a", 1) })).await;
    assert_eq!(item["Item"]["p"]["S"], "a");
    let told = json!({ "TableName": "copy" });
    let all = house.ok::<DescribeKinesisStreamingDestination>(told).await;
    assert_eq!(all["KinesisDataStreamDestinations"], json!([]));
    assert_eq!(records(&house).await.len(), 1);
}
