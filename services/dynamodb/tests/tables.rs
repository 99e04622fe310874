//! Tables and their indexes over time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_dynamodb_contract::*;
use house::{House, invalid, item, key, keys, refused, sorts};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn a_table_comes_is_listed_and_goes() {
    let house = House::new();
    for name in ["one", "three", "two"] {
        house.table(name, json!({})).await;
    }
    let page = house.ok::<ListTables>(json!({ "Limit": 2 })).await;
    assert_eq!(page, json!({ "TableNames": ["one", "three"], "LastEvaluatedTableName": "three" }));
    let page = house.ok::<ListTables>(json!({ "ExclusiveStartTableName": "three" })).await;
    assert_eq!(page, json!({ "TableNames": ["two"] }));
    house.put("one", item("a", 1, json!({}))).await;
    let table = house.active("one").await;
    assert_eq!((&table["ItemCount"], &table["TableSizeBytes"]), (&json!(1), &json!(5)));
    assert_eq!(table["TableArn"], "arn:aws:dynamodb:us-east-1:000000000000:table/one");
    let gone = house.ok::<DeleteTable>(json!({ "TableName": "one" })).await;
    assert_eq!(gone["TableDescription"]["TableStatus"], "DELETING");
    house.pass(Duration::from_secs(1)).await;
    let missing =
        refused("ResourceNotFoundException", "Requested resource not found: Table: one not found");
    assert_eq!(house.call::<DescribeTable>(json!({ "TableName": "one" })).await, missing);
    house.table("one", json!({})).await;
    assert_eq!(house.get("one", "a", 1).await, Value::Null, "a new table starts empty");
}

#[tokio::test(start_paused = true)]
async fn a_new_table_is_told_as_aws_tells_it() {
    let house = House::new();
    let define = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let made = house
        .ok::<CreateTable>(json!({ "TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [define("User"), define("Game"), define("Date")],
            "KeySchema": keys("User", "Game"),
            "GlobalSecondaryIndexes": [{ "IndexName": "by-date",
                "KeySchema": keys("Game", "Date"), "Projection": { "ProjectionType": "ALL" } }] }))
        .await;
    let table = &made["TableDescription"];
    let by_name = json!([define("Date"), define("Game"), define("User")]);
    assert_eq!(table["AttributeDefinitions"], by_name);
    assert_eq!(table["BillingModeSummary"], json!({ "BillingMode": "PAY_PER_REQUEST" }));
    let index = &table["GlobalSecondaryIndexes"][0];
    assert_eq!((&index["IndexStatus"], &index["Backfilling"]), (&json!("CREATING"), &Value::Null));
    let table = house.active("tab").await;
    assert_eq!(table["AttributeDefinitions"], by_name);
    assert_eq!(table["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");
    let since = &table["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"];
    assert_eq!(since, &table["CreationDateTime"]);
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_is_written_to_twice_is_told_once() {
    let house = House::new();
    let mut table = json!({ "TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys("p", "s"), "LocalSecondaryIndexes": [{ "IndexName": "by-l",
            "KeySchema": keys("p", "l"), "Projection": { "ProjectionType": "ALL" } }] });
    let define = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    table["AttributeDefinitions"] = json!([define("p", "S"), define("s", "N"), define("l", "S")]);
    house.ok::<CreateTable>(table).await;
    house.active("tab").await;
    let put = |p: &str, s| json!({ "PutRequest": { "Item": item(p, s, json!({})) } });
    let written = house
        .ok::<BatchWriteItem>(json!({ "ReturnItemCollectionMetrics": "SIZE",
            "RequestItems": { "tab": [put("a", 1), put("b", 1), put("a", 2)] } }))
        .await;
    let told = |p: &str| json!({ "ItemCollectionKey": { "p": { "S": p } }, "SizeEstimateRangeGB": [0.0, 1.0] });
    assert_eq!(written["ItemCollectionMetrics"], json!({ "tab": [told("a"), told("b")] }));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_being_changed_is_not_deleted() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let protects =
        |protects: bool| json!({ "TableName": "tab", "DeletionProtectionEnabled": protects });
    house.ok::<UpdateTable>(protects(false)).await;
    let busy = refused(
        "ResourceInUseException",
        "Attempt to change a resource which is still in use: Table is being updated: tab",
    );
    let delete = json!({ "TableName": "tab" });
    assert_eq!(house.call::<DeleteTable>(delete.clone()).await, busy);
    assert_eq!(house.call::<UpdateTable>(protects(true)).await, busy);
    house.active("tab").await;
    house.ok::<DeleteTable>(delete).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_table_is_refused() {
    let house = House::new();
    house.table("there", json!({})).await;
    let define = |names: &[&str]| -> Value {
        let one = |name: &&str| json!({ "AttributeName": name, "AttributeType": "S" });
        names.iter().map(one).collect()
    };
    let hash = json!([{ "AttributeName": "p", "KeyType": "HASH" }]);
    let one = "One or more parameter values were invalid: ";
    let base = json!({ "TableName": "new", "BillingMode": "PAY_PER_REQUEST" });
    for (change, why) in [
        (
            json!({ "AttributeDefinitions": define(&["p", "q"]), "KeySchema": hash }),
            format!(
                "{one}Number of attributes in KeySchema does not exactly match number of \
                 attributes defined in AttributeDefinitions"
            ),
        ),
        (
            json!({ "AttributeDefinitions": define(&["q"]), "KeySchema": hash }),
            format!(
                "{one}Some index key attributes are not defined in AttributeDefinitions. Keys: \
                 [p], AttributeDefinitions: [q]"
            ),
        ),
        (
            json!({ "AttributeDefinitions": define(&["p"]),
                "KeySchema": [{ "AttributeName": "p", "KeyType": "RANGE" }] }),
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned(),
        ),
        (
            json!({ "AttributeDefinitions": define(&["p"]), "KeySchema": hash,
                "ProvisionedThroughput": { "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 } }),
            format!(
                "{one}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when \
                 BillingMode is PAY_PER_REQUEST"
            ),
        ),
        (
            json!({ "AttributeDefinitions": define(&["p", "q"]), "KeySchema": hash,
                "LocalSecondaryIndexes": [{ "IndexName": "idx", "KeySchema": keys("p", "q"),
                    "Projection": { "ProjectionType": "ALL" } }] }),
            format!(
                "{one}Table KeySchema does not have a range key, which is required when \
                 specifying a LocalSecondaryIndex"
            ),
        ),
    ] {
        let mut input = base.clone();
        for (member, value) in change.as_object().unwrap() {
            input[member] = value.clone();
        }
        assert_eq!(house.call::<CreateTable>(input).await, invalid(&why));
    }
    let replica = json!({ "TableName": "new", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": define(&["p"]), "KeySchema": hash,
        "GlobalTableSourceArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/there" });
    let none = refused("NotImplemented", "haar has no global tables");
    assert_eq!(house.call::<CreateTable>(replica).await, none);
    let again = json!({ "TableName": "there", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": define(&["p"]), "KeySchema": hash });
    let exists = refused("ResourceInUseException", "Table already exists: there");
    assert_eq!(house.call::<CreateTable>(again).await, exists);
    let protect = json!({ "TableName": "there", "DeletionProtectionEnabled": true });
    house.ok::<UpdateTable>(protect).await;
    house.active("there").await;
    assert_eq!(
        house.call::<DeleteTable>(json!({ "TableName": "there" })).await,
        invalid(
            "Resource cannot be deleted as it is currently protected against deletion. Disable \
             deletion protection first."
        )
    );
}

fn indexed() -> Value {
    json!({
        "AttributeDefinitions": [
            { "AttributeName": "p", "AttributeType": "S" },
            { "AttributeName": "s", "AttributeType": "N" },
            { "AttributeName": "g", "AttributeType": "S" },
            { "AttributeName": "l", "AttributeType": "N" },
        ],
        "GlobalSecondaryIndexes": [{ "IndexName": "by-g", "KeySchema": keys("g", "s"),
            "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["kept"] } }],
        "LocalSecondaryIndexes": [{ "IndexName": "by-l", "KeySchema": keys("p", "l"),
            "Projection": { "ProjectionType": "KEYS_ONLY" } }],
    })
}

fn by_g(g: &str) -> Value {
    json!({ "TableName": "tab", "IndexName": "by-g", "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": { ":g": { "S": g } } })
}

#[tokio::test(start_paused = true)]
async fn indexes_hold_what_has_their_key_as_it_changes() {
    let house = House::new();
    house.table("tab", indexed()).await;
    for s in 0..4 {
        let more = json!({ "g": { "S": "x" }, "l": { "N": (10 - s).to_string() },
            "kept": { "S": "k" }, "left": { "S": "out" } });
        house.put("tab", item("a", s, more)).await;
    }
    house.put("tab", item("a", 9, json!({ "left": { "S": "no index" } }))).await;
    let page = house.ok::<Query>(by_g("x")).await;
    assert_eq!(sorts(&page), [0, 1, 2, 3]);
    let mut first: Vec<&String> = page["Items"][0].as_object().unwrap().keys().collect();
    first.sort();
    assert_eq!(first, ["g", "kept", "p", "s"], "what is projected, and keys");

    let move_it = json!({ "TableName": "tab", "Key": key("a", 1), "UpdateExpression": "SET g = :y",
        "ExpressionAttributeValues": { ":y": { "S": "y" } }, "ReturnConsumedCapacity": "INDEXES" });
    let moved = house.ok::<UpdateItem>(move_it).await;
    let units = &moved["ConsumedCapacity"]["GlobalSecondaryIndexes"]["by-g"]["CapacityUnits"];
    assert_eq!(units, &json!(2.0), "one entry goes, one comes");
    let out = json!({ "TableName": "tab", "Key": key("a", 2), "UpdateExpression": "REMOVE g" });
    house.ok::<UpdateItem>(out).await;
    house.ok::<DeleteItem>(json!({ "TableName": "tab", "Key": key("a", 3) })).await;
    assert_eq!(sorts(&house.ok::<Query>(by_g("x")).await), [0]);
    assert_eq!(sorts(&house.ok::<Query>(by_g("y")).await), [1]);

    let local = json!({ "TableName": "tab", "IndexName": "by-l", "ConsistentRead": true,
        "KeyConditionExpression": "p = :p", "ExpressionAttributeValues": { ":p": { "S": "a" } } });
    assert_eq!(sorts(&house.ok::<Query>(local.clone()).await), [2, 1, 0], "by l, not by s");
    let mut whole = local;
    whole["Select"] = json!("ALL_ATTRIBUTES");
    let page = house.ok::<Query>(whole).await;
    assert_eq!(page["Items"][0]["left"], json!({ "S": "out" }), "fetched from the table");
    let table = house.active("tab").await;
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], 2);

    let wrong = json!({ "TableName": "tab", "Item": item("a", 1, json!({ "g": { "N": "1" } })) });
    assert_eq!(
        house.call::<PutItem>(wrong).await,
        invalid(
            "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S \
             Actual: N IndexName: by-g"
        )
    );
    let mut beyond = by_g("x");
    beyond["ProjectionExpression"] = json!("kept, #l");
    beyond["ExpressionAttributeNames"] = json!({ "#l": "left" });
    assert_eq!(
        house.call::<Query>(beyond).await,
        invalid(
            "One or more parameter values were invalid: Global secondary index by-g does not \
             project [left]"
        )
    );
    let mut consistent = by_g("x");
    consistent["ConsistentRead"] = json!(true);
    assert_eq!(
        house.call::<Query>(consistent).await,
        invalid("Consistent reads are not supported on global secondary indexes")
    );
}

#[tokio::test(start_paused = true)]
async fn index_pages_go_on_where_many_items_share_a_key() {
    let house = House::new();
    house.table("tab", indexed()).await;
    for number in 0..10 {
        house.put("tab", item(&format!("p{number}"), 1, json!({ "g": { "S": "x" } }))).await;
    }
    let (mut input, mut seen, mut pages) = (by_g("x"), Vec::new(), 0);
    input["Limit"] = json!(3);
    loop {
        let page = house.ok::<Query>(input.clone()).await;
        let items = page["Items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["p"]["S"].as_str().unwrap().to_owned()));
        pages += 1;
        match page.get("LastEvaluatedKey") {
            Some(last) => input["ExclusiveStartKey"] = last.clone(),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), pages), (10, 4));
}

#[tokio::test(start_paused = true)]
async fn a_new_index_is_filled_while_items_change() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for s in 0..600 {
        house.put("tab", item("a", s, json!({ "g": { "S": "x" } }))).await;
    }
    let create = json!({ "TableName": "tab",
        "AttributeDefinitions": [{ "AttributeName": "g", "AttributeType": "S" }],
        "GlobalSecondaryIndexUpdates": [{ "Create": { "IndexName": "by-g",
            "KeySchema": keys("g", "s"), "Projection": { "ProjectionType": "ALL" } } }] });
    let made = house.ok::<UpdateTable>(create).await;
    let index = &made["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert_eq!((&index["IndexStatus"], &index["Backfilling"]), (&json!("CREATING"), &json!(false)));
    let table = house.ok::<DescribeTable>(json!({ "TableName": "tab" })).await;
    let index = &table["Table"]["GlobalSecondaryIndexes"][0];
    assert_eq!((&index["IndexStatus"], &index["Backfilling"]), (&json!("CREATING"), &json!(true)));
    for s in (0..600).step_by(7) {
        house.ok::<DeleteItem>(json!({ "TableName": "tab", "Key": key("a", s) })).await;
        house.put("tab", item("b", s, json!({ "g": { "S": "x" } }))).await;
    }
    house.active("tab").await;
    let page = house.ok::<Query>(by_g("x")).await;
    assert_eq!(page["Count"], 600);
    let table = house.active("tab").await;
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], 600);
    let drop = json!({ "TableName": "tab",
        "GlobalSecondaryIndexUpdates": [{ "Delete": { "IndexName": "by-g" } }] });
    house.ok::<UpdateTable>(drop).await;
    house.pass(Duration::from_secs(1)).await;
    assert_eq!(
        house.call::<Query>(by_g("x")).await,
        invalid("The table does not have the specified index: by-g")
    );
}

#[tokio::test(start_paused = true)]
async fn tags_and_policies_stand_by_the_tables_arn() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";
    let tags: Value = (10..22).map(|n| json!({ "Key": format!("k{n}"), "Value": "v" })).collect();
    house.ok::<TagResource>(json!({ "ResourceArn": arn, "Tags": tags })).await;
    house.ok::<UntagResource>(json!({ "ResourceArn": arn, "TagKeys": ["k10"] })).await;
    let page = house.ok::<ListTagsOfResource>(json!({ "ResourceArn": arn })).await;
    assert_eq!((page["Tags"].as_array().unwrap().len(), &page["NextToken"]), (10, &json!("k20")));
    let rest = json!({ "ResourceArn": arn, "NextToken": "k20" });
    let page = house.ok::<ListTagsOfResource>(rest).await;
    assert_eq!(page["Tags"], json!([{ "Key": "k21", "Value": "v" }]));

    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
        "Principal": "*", "Action": "dynamodb:GetItem", "Resource": arn }] })
    .to_string();
    let put = json!({ "ResourceArn": arn, "Policy": policy, "ExpectedRevisionId": "NO_POLICY" });
    let made = house.ok::<PutResourcePolicy>(put.clone()).await;
    let got = house.ok::<GetResourcePolicy>(json!({ "ResourceArn": arn })).await;
    assert_eq!((&got["RevisionId"], &got["Policy"]), (&made["RevisionId"], &json!(policy)));
    assert_eq!(
        house.call::<PutResourcePolicy>(put).await.unwrap_err().0,
        "PolicyNotFoundException"
    );
    house.ok::<DeleteResourcePolicy>(json!({ "ResourceArn": arn })).await;
    let gone = house.call::<GetResourcePolicy>(json!({ "ResourceArn": arn })).await;
    assert_eq!(gone.unwrap_err().0, "PolicyNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_tables_encryption_changes_while_it_stays_active() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let update = |spec: Value| json!({ "TableName": "tab", "SSESpecification": spec });
    let told = async || house.active("tab").await["SSEDescription"].clone();
    let settle = async || {
        house.pass(Duration::from_secs(1)).await;
        told().await
    };
    assert_eq!(
        house.call::<UpdateTable>(update(json!({ "Enabled": false }))).await,
        invalid("One or more parameter values were invalid: Table is already encrypted by default")
    );
    let key = "arn:aws:kms:us-east-1:000000000000:key/k1";
    let with_key = update(json!({ "Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": key }));
    let answer = house.ok::<UpdateTable>(with_key.clone()).await;
    let table = &answer["TableDescription"];
    assert_eq!(table["SSEDescription"], json!({ "Status": "UPDATING" }));
    assert_eq!(table["TableStatus"], "ACTIVE");
    assert_eq!(
        house.call::<DeleteTable>(json!({ "TableName": "tab" })).await,
        refused(
            "ResourceInUseException",
            "Attempt to change a resource which is still in use: Table: tab is in the process of \
             being updated."
        )
    );
    assert_eq!(
        house.call::<UpdateTable>(update(json!({ "Enabled": false }))).await,
        refused(
            "ResourceInUseException",
            "Attempt to change a resource which is still in use: Server-Side Encryption is still \
             being updated"
        )
    );
    let shown = json!({ "Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key });
    assert_eq!(settle().await, shown);
    assert_eq!(
        house.call::<UpdateTable>(with_key).await,
        invalid(
            "One or more parameter values were invalid: Table is already encrypted with given \
             KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change Master Key"
        )
    );
    let answer = house.ok::<UpdateTable>(update(json!({ "Enabled": false }))).await;
    let shown = json!({ "Status": "UPDATING", "SSEType": "KMS", "KMSMasterKeyArn": key });
    assert_eq!(answer["TableDescription"]["SSEDescription"], shown);
    assert_eq!(settle().await, Value::Null);
    house.ok::<DeleteTable>(json!({ "TableName": "tab" })).await;
}

#[tokio::test(start_paused = true)]
async fn a_fifth_change_of_encryption_in_a_day_waits_for_six_hours() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let begin = house.doors.clock.now();
    let change = async |number: i32| {
        let key = format!("arn:aws:kms:us-east-1:000000000000:key/k{number}");
        let spec = json!({ "Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": key });
        let input = json!({ "TableName": "tab", "SSESpecification": spec });
        let answer = house.call::<UpdateTable>(input).await;
        house.pass(Duration::from_secs(60)).await;
        answer.map(drop)
    };
    for number in 1..=4 {
        change(number).await.unwrap();
    }
    let (code, text) = change(5).await.unwrap_err();
    assert_eq!(code, "LimitExceededException");
    assert!(text.starts_with("Subscriber limit exceeded: Encryption mode changes are limited in the 24h window ending at "));
    assert!(text.ends_with(
        "Z. After the first 4 change, each subsequent change in the same window can be performed \
         at most once every 21600 seconds. Number of updates today: 4"
    ), "{text}");
    for number in 5..=7 {
        house.pass(Duration::from_secs(6 * 3600)).await;
        change(number).await.unwrap();
        change(99).await.unwrap_err();
    }
    let next_day = begin + Duration::from_secs(24 * 3600);
    let left = next_day.0 - house.doors.clock.now().0;
    house.pass(Duration::from_millis(left.unsigned_abs())).await;
    for number in 8..=11 {
        change(number).await.unwrap();
    }
    change(12).await.unwrap_err();
}
