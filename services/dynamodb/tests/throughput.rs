//! Provisioned throughput, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_dynamodb_contract::*;
use house::{House, item, key};
use serde_json::{Value, json};

const TABLE_EXCEEDED: &str = "The level of configured provisioned throughput for the table was exceeded. Consider \
     increasing your provisioning level with the UpdateTable API.";

async fn provisioned(house: &House, read: i64, write: i64) {
    let units = json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write });
    let more = json!({ "BillingMode": "PROVISIONED", "ProvisionedThroughput": units });
    house.table("tab", more).await;
}

async fn put(house: &House, s: i64) -> Result<Value, house::Refused> {
    house.call::<PutItem>(json!({ "TableName": "tab", "Item": item("a", s, json!({})) })).await
}

async fn get(house: &House, s: i64) -> Result<Value, house::Refused> {
    let input = json!({ "TableName": "tab", "Key": key("a", s), "ConsistentRead": true });
    house.call::<GetItem>(input).await
}

/// Uses up what is left for writes.
async fn exhaust(house: &House) -> usize {
    let mut count = 0;
    while put(house, 0).await.is_ok() {
        count += 1;
    }
    count
}

#[tokio::test(start_paused = true)]
async fn five_minutes_of_throughput_are_kept_and_then_it_is_what_each_second_gives() {
    let house = House::new();
    provisioned(&house, 1, 2).await;
    assert_eq!(exhaust(&house).await, 600);
    let refused = put(&house, 0).await.unwrap_err();
    assert_eq!(refused.0, "ProvisionedThroughputExceededException");
    assert_eq!(refused.1, TABLE_EXCEEDED);
    house.pass(Duration::from_secs(1)).await;
    assert_eq!(exhaust(&house).await, 2);
    house.pass(Duration::from_secs(10)).await;
    assert_eq!(exhaust(&house).await, 20);

    for _ in 0..300 {
        get(&house, 0).await.unwrap();
    }
    assert_eq!(get(&house, 0).await.unwrap_err().1, TABLE_EXCEEDED);
    let query = json!({ "TableName": "tab", "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": { ":p": { "S": "a" } } });
    let refused = house.call::<Query>(query).await.unwrap_err();
    assert_eq!(refused.0, "ProvisionedThroughputExceededException");
}

#[tokio::test(start_paused = true)]
async fn what_a_condition_refused_costs_and_what_expired_does_not() {
    let house = House::new();
    provisioned(&house, 1, 1).await;
    put(&house, 0).await.unwrap();
    let input = json!({ "TableName": "tab", "Item": item("a", 0, json!({})),
        "ConditionExpression": "attribute_not_exists(p)" });
    for _ in 0..299 {
        let refused = house.call::<PutItem>(input.clone()).await.unwrap_err();
        assert_eq!(refused.0, "ConditionalCheckFailedException");
    }
    let refused = house.call::<PutItem>(input).await.unwrap_err();
    assert_eq!(refused.0, "ProvisionedThroughputExceededException");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_given_more_uses_it_at_once_and_on_demand_there_is_no_end() {
    let house = House::new();
    provisioned(&house, 1, 1).await;
    assert_eq!(exhaust(&house).await, 300);
    let units = json!({ "ReadCapacityUnits": 1, "WriteCapacityUnits": 50 });
    let more = json!({ "TableName": "tab", "ProvisionedThroughput": units });
    house.ok::<UpdateTable>(more).await;
    house.active("tab").await;
    house.pass(Duration::from_secs(1)).await;
    assert!(exhaust(&house).await >= 50);
    house.ok::<UpdateTable>(json!({ "TableName": "tab", "BillingMode": "PAY_PER_REQUEST" })).await;
    house.active("tab").await;
    for _ in 0..2000 {
        put(&house, 0).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_global_index_without_throughput_holds_up_the_writes_that_concern_it() {
    let house = House::new();
    let units = |write: i64| json!({ "ReadCapacityUnits": 100, "WriteCapacityUnits": write });
    let more = json!({
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": units(100),
        "AttributeDefinitions": [
            { "AttributeName": "p", "AttributeType": "S" },
            { "AttributeName": "s", "AttributeType": "N" },
            { "AttributeName": "g", "AttributeType": "S" },
        ],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-g",
            "KeySchema": [{ "AttributeName": "g", "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
            "ProvisionedThroughput": units(1),
        }],
    });
    house.table("tab", more).await;
    let with_g =
        |s: i64| json!({ "TableName": "tab", "Item": item("a", s, json!({ "g": { "S": "x" } })) });
    for s in 0..300 {
        house.ok::<PutItem>(with_g(s)).await;
    }
    let refused = house.call::<PutItem>(with_g(300)).await.unwrap_err();
    assert_eq!(refused.0, "ProvisionedThroughputExceededException");
    assert!(refused.1.contains("one or more global secondary indexes"), "{}", refused.1);
    assert!(house.get("tab", "a", 300).await.is_null(), "nothing was written");
    put(&house, 301).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn on_demand_a_maximum_holds_for_each_second() {
    let house = House::new();
    let most = json!({ "MaxReadRequestUnits": 2, "MaxWriteRequestUnits": 3 });
    house.table("tab", json!({ "OnDemandThroughput": most })).await;
    assert_eq!(exhaust(&house).await, 3);
    let refused = put(&house, 0).await.unwrap_err();
    let text = "Throughput exceeds the maximum OnDemandThroughput configured on table or index";
    assert_eq!(refused, ("ThrottlingException".to_owned(), text.to_owned()));
    house.pass(Duration::from_secs(60)).await;
    assert_eq!(exhaust(&house).await, 3);
    for _ in 0..2 {
        get(&house, 0).await.unwrap();
    }
    assert_eq!(get(&house, 0).await.unwrap_err().0, "ThrottlingException");
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_some_comes_back_and_a_transaction_is_cancelled() {
    let house = House::new();
    provisioned(&house, 1, 1).await;
    exhaust(&house).await;
    house.pass(Duration::from_secs(3)).await;
    let request = |s: i64| json!({ "PutRequest": { "Item": item("b", s, json!({})) } });
    let batch = json!({ "RequestItems": { "tab": (0..5).map(request).collect::<Vec<_>>() } });
    let answer = house.ok::<BatchWriteItem>(batch.clone()).await;
    let left = answer["UnprocessedItems"]["tab"].as_array().unwrap();
    assert_eq!(*left, [request(3), request(4)]);
    let refused = house.call::<BatchWriteItem>(batch).await.unwrap_err();
    assert_eq!(refused, ("ProvisionedThroughputExceededException".into(), TABLE_EXCEEDED.into()));

    let put = json!({ "Put": { "TableName": "tab", "Item": item("c", 0, json!({})) } });
    let transaction = json!({ "TransactItems": [put] });
    let refused = house.call::<TransactWriteItems>(transaction.clone()).await.unwrap_err();
    assert_eq!(refused.0, "TransactionCanceledException");
    assert!(refused.1.ends_with("[ProvisionedThroughputExceeded]"), "{}", refused.1);
    house.pass(Duration::from_secs(1)).await;
    house.ok::<TransactWriteItems>(transaction).await;

    for _ in 0..300 {
        get(&house, 0).await.unwrap();
    }
    let keys = json!({ "RequestItems": { "tab": { "Keys": [key("b", 0), key("b", 1)],
        "ConsistentRead": true } } });
    let refused = house.call::<BatchGetItem>(keys.clone()).await.unwrap_err();
    assert_eq!(refused.0, "ProvisionedThroughputExceededException");
    house.pass(Duration::from_secs(1)).await;
    let answer = house.ok::<BatchGetItem>(keys).await;
    assert_eq!(answer["Responses"]["tab"].as_array().unwrap().len(), 1);
    assert_eq!(answer["UnprocessedKeys"]["tab"]["Keys"], json!([key("b", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_its_condition_refuses_costs_what_the_item_weighs() {
    let house = House::new();
    house.table("tab", json!({})).await;
    house.put("tab", item("a", 1, json!({ "x": { "S": "x".repeat(3 * 1024) } }))).await;
    house.room.flush();
    assert_eq!(house.metrics.sum("ConsumedWriteCapacityUnits") as u32, 4);
    let absent = "attribute_not_exists(p)";
    let again = json!({ "TableName": "tab", "Item": item("a", 1, json!({})),
        "ConditionExpression": absent });
    let update = json!({ "TableName": "tab", "Key": key("a", 1), "UpdateExpression": "SET y = s",
        "ConditionExpression": absent });
    let delete = json!({ "TableName": "tab", "Key": key("b", 1),
        "ConditionExpression": "attribute_exists(p)" });
    let refusals = [
        house.call::<PutItem>(again).await,
        house.call::<UpdateItem>(update).await,
        house.call::<DeleteItem>(delete).await,
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().0, "ConditionalCheckFailedException");
    }
    house.room.flush();
    assert_eq!(house.metrics.sum("ConsumedWriteCapacityUnits") as u32, 13);
    assert_eq!(house.metrics.sum("ConditionalCheckFailedRequests") as u32, 3);
}

#[tokio::test(start_paused = true)]
async fn a_tables_class_its_backups_and_its_recovery_are_billed_for() {
    let house = House::new();
    house.table("tab", json!({ "TableClass": "STANDARD_INFREQUENT_ACCESS" })).await;
    house.put("tab", item("a", 1, json!({ "x": { "S": "x".repeat(3 * 1024) } }))).await;
    let backup = json!({ "TableName": "tab", "BackupName": "kept" });
    let backup = house.ok::<CreateBackup>(backup).await;
    let recovery = json!({ "TableName": "tab",
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true } });
    house.ok::<UpdateContinuousBackups>(recovery).await;
    house.pass(Duration::from_secs(3600)).await;
    house.room.flush();
    let bill = &house.bill;
    assert_eq!(bill.sum("write-units/infrequent"), 4);
    assert_eq!(bill.sum("write-units") + bill.sum("kib-ms/standard"), 0);
    let held = bill.sum("kib-ms/infrequent");
    assert!(held > 3 * 3_500_000, "{held}");
    assert!(bill.sum("kib-ms/recovery") > 3 * 3_500_000);
    assert!(bill.sum("kib-ms/backup") > 3 * 3_500_000);
    assert_eq!(bill.sum("kib-restored"), 0);
    let arn = &backup["BackupDetails"]["BackupArn"];
    let restored = json!({ "BackupArn": arn, "TargetTableName": "other" });
    house.ok::<RestoreTableFromBackup>(restored).await;
    house.pass(Duration::from_secs(5)).await;
    assert_eq!(bill.sum("kib-restored"), 4);
}
