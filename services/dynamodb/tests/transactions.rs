//! Batches, transactions and PartiQL.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_dynamodb_contract::*;
use house::{House, invalid, item, key, refused};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn batches_write_and_read_over_tables() {
    let house = House::new();
    house.table("tab", json!({})).await;
    house.table("usr", json!({})).await;
    let puts: Value =
        (0..10).map(|s| json!({ "PutRequest": { "Item": item("a", s, json!({})) } })).collect();
    let input = json!({ "RequestItems": { "tab": puts, "usr": [
        { "PutRequest": { "Item": item("u", 1, json!({})) } },
        { "DeleteRequest": { "Key": key("none", 1) } } ] }, "ReturnConsumedCapacity": "TOTAL" });
    let done = house.ok::<BatchWriteItem>(input).await;
    assert_eq!(done["UnprocessedItems"], json!({}));
    let units: Vec<&Value> = done["ConsumedCapacity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["CapacityUnits"])
        .collect();
    assert_eq!(units, [&json!(10.0), &json!(2.0)]);
    let get = json!({ "RequestItems": { "tab": { "Keys": [key("a", 1), key("a", 77)],
        "ProjectionExpression": "s" }, "usr": { "Keys": [key("u", 1)] } } });
    let got = house.ok::<BatchGetItem>(get).await;
    assert_eq!(got["Responses"]["tab"], json!([{ "s": { "N": "1" } }]));
    assert_eq!(got["Responses"]["usr"], json!([key("u", 1)]));
    let twice = json!({ "RequestItems": { "tab": { "Keys": [key("a", 1), key("a", 1)] } } });
    let duplicates = invalid("Provided list of item keys contains duplicates");
    assert_eq!(house.call::<BatchGetItem>(twice).await, duplicates);
    let many: Value = (0..26).map(|s| json!({ "DeleteRequest": { "Key": key("a", s) } })).collect();
    let split = json!({ "RequestItems": { "tab": many.as_array().unwrap()[..20],
        "usr": many.as_array().unwrap()[20..] } });
    assert_eq!(
        house.call::<BatchWriteItem>(split).await,
        invalid("Too many items requested for the BatchWriteItem call")
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_sixteen_megabytes_leaves_the_rest_unprocessed() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for s in 0..50 {
        let big = json!({ "x": { "S": "x".repeat(380 * 1024) } });
        house.put("tab", item("a", s, big)).await;
    }
    let keys: Value = (0..50).map(|s| key("a", s)).collect();
    let input = json!({ "RequestItems": { "tab": { "Keys": keys, "ProjectionExpression": "s" } } });
    let got = house.ok::<BatchGetItem>(input).await;
    let (found, left) = (&got["Responses"]["tab"], &got["UnprocessedKeys"]["tab"]["Keys"]);
    let (found, left) = (found.as_array().unwrap().len(), left.as_array().unwrap().len());
    assert_eq!((found, left), (43, 7));
}

fn transfer(from: &str, to: &str, token: Option<&str>) -> Value {
    let update = |p: &str, sign: &str| {
        let condition = if sign == "-" { "v >= :x" } else { "attribute_exists(p)" };
        json!({ "Update": { "TableName": "tab", "Key": key(p, 0),
            "UpdateExpression": format!("SET v = v {sign} :x"), "ConditionExpression": condition,
            "ExpressionAttributeValues": { ":x": { "N": "30" } },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD" } })
    };
    let mut input = json!({ "TransactItems": [update(from, "-"), update(to, "+")] });
    if let Some(token) = token {
        input["ClientRequestToken"] = json!(token);
    }
    input
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_carried_out_whole_or_not_at_all() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for p in ["a", "b"] {
        house.put("tab", item(p, 0, json!({ "v": { "N": "50" } }))).await;
    }
    let mut moved = transfer("a", "b", Some("token-1"));
    moved["ReturnConsumedCapacity"] = json!("TOTAL");
    let written = house.ok::<TransactWriteItems>(moved.clone()).await;
    assert_eq!(written["ConsumedCapacity"][0]["WriteCapacityUnits"], json!(4.0));
    let replayed = house.ok::<TransactWriteItems>(moved).await;
    let units = &replayed["ConsumedCapacity"][0];
    assert_eq!((&units["ReadCapacityUnits"], &units["CapacityUnits"]), (&json!(4.0), &json!(4.0)));
    assert!(units["WriteCapacityUnits"].is_null(), "a replay reads: {units}");
    let read = json!({ "TransactItems": [
        { "Get": { "TableName": "tab", "Key": key("a", 0), "ProjectionExpression": "v" } },
        { "Get": { "TableName": "tab", "Key": key("b", 0), "ProjectionExpression": "v" } },
        { "Get": { "TableName": "tab", "Key": key("none", 0) } } ],
        "ReturnConsumedCapacity": "TOTAL" });
    let got = house.ok::<TransactGetItems>(read).await;
    assert_eq!(
        got["Responses"],
        json!([{ "Item": { "v": { "N": "20" } } }, { "Item": { "v": { "N": "80" } } }, {}]),
        "the second call with the token did nothing"
    );
    assert_eq!(got["ConsumedCapacity"][0]["ReadCapacityUnits"], json!(6.0));
    let failed = house.call::<TransactWriteItems>(transfer("a", "b", None)).await;
    assert_eq!(
        failed,
        refused(
            "TransactionCanceledException",
            "Transaction cancelled, please refer cancellation reasons for specific reasons \
             [ConditionalCheckFailed, None]"
        )
    );
    assert_eq!(house.get("tab", "b", 0).await["v"], json!({ "N": "80" }));
    let other = house.call::<TransactWriteItems>(transfer("b", "a", Some("token-1"))).await;
    assert_eq!(other.unwrap_err().0, "IdempotentParameterMismatchException");
    house.pass(Duration::from_secs(11 * 60)).await;
    house.ok::<TransactWriteItems>(transfer("b", "a", Some("token-1"))).await;
    assert_eq!(house.get("tab", "b", 0).await["v"], json!({ "N": "50" }), "the token is forgotten");
    assert_eq!(
        house.call::<TransactWriteItems>(transfer("a", "a", None)).await,
        invalid("Transaction request cannot include multiple operations on one item")
    );
}

#[tokio::test(start_paused = true)]
async fn partiql_reads_and_writes_the_same_items() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let run = async |text: &str, parameters: Value| {
        house.call::<ExecuteStatement>(json!({ "Statement": text, "Parameters": parameters })).await
    };
    let insert = "INSERT INTO \"tab\" VALUE {'p': ?, 's': 1, 'v': 5, 'tags': <<'x'>>}";
    run(insert, json!([{ "S": "a" }])).await.unwrap();
    let again = run(insert, json!([{ "S": "a" }])).await;
    assert_eq!(again, refused("DuplicateItemException", "Duplicate primary key exists in table"));
    for s in 2..6 {
        house.put("tab", item("a", s, json!({ "v": { "N": s.to_string() } }))).await;
    }
    let one = json!([{ "S": "a" }]);
    let update = "UPDATE tab SET v = v + 1 SET tags = set_add(tags, <<'y'>>) WHERE p = ? AND s = 1 \
                  RETURNING ALL NEW *";
    let changed = run(update, one.clone()).await.unwrap();
    assert_eq!(changed["Items"][0]["v"], json!({ "N": "6" }));
    assert_eq!(changed["Items"][0]["tags"], json!({ "SS": ["x", "y"] }));
    let page = run("SELECT s FROM tab WHERE p = ? AND s > 2 AND v < 5", one.clone()).await.unwrap();
    assert_eq!(page["Items"], json!([{ "s": { "N": "3" } }, { "s": { "N": "4" } }]));
    let page = run("SELECT s FROM tab WHERE p = ? ORDER BY s DESC", one.clone()).await.unwrap();
    assert_eq!(page["Items"][0]["s"], json!({ "N": "5" }));
    assert_eq!(page["Items"].as_array().unwrap().len(), 5);
    let page = run("SELECT * FROM tab WHERE contains(tags, 'y')", json!([])).await.unwrap();
    assert_eq!(page["Items"].as_array().unwrap().len(), 1);
    let first = json!({ "Statement": "SELECT * FROM tab", "Limit": 3 });
    let page = house.ok::<ExecuteStatement>(first.clone()).await;
    let mut rest = first;
    rest["NextToken"] = page["NextToken"].clone();
    let mut other = rest.clone();
    other["Statement"] = json!("SELECT * FROM tab WHERE v > 0");
    assert_eq!(house.call::<ExecuteStatement>(other).await, invalid("Invalid NextToken"));
    let rest = house.ok::<ExecuteStatement>(rest).await;
    assert_eq!(rest["Items"].as_array().unwrap().len(), 2);
    assert_eq!(
        run("UPDATE tab SET v = 1 WHERE p = ?", one.clone()).await,
        invalid("Where clause does not contain a mandatory equality on all key attributes")
    );
    let missing = "UPDATE tab SET v = 1 WHERE p = ? AND s = 99";
    let failed = refused("ConditionalCheckFailedException", "The conditional request failed");
    assert_eq!(run(missing, one.clone()).await, failed);
    run("DELETE FROM tab WHERE p = ? AND s = 1", one).await.unwrap();
    assert_eq!(house.get("tab", "a", 1).await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn partiql_takes_no_larger_keys_and_items_than_put_item() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let key = |len: usize| json!({ "S": "k".repeat(len) });
    let insert = |len, value: usize| {
        json!({ "Statement": "INSERT INTO tab VALUE {'p': ?, 's': 1, 'v': ?}",
            "Parameters": [key(len), { "S": "v".repeat(value) }] })
    };
    let update = |len, value: usize| {
        json!({ "Statement": "UPDATE tab SET v = ? WHERE p = ? AND s = 1",
            "Parameters": [{ "S": "v".repeat(value) }, key(len)] })
    };
    let delete = |len| json!({ "Statement": "DELETE FROM tab WHERE p = ? AND s = 1", "Parameters": [key(len)] });
    house.ok::<ExecuteStatement>(insert(2048, 1)).await;
    let long = "One or more parameter values were invalid: Size of hashkey has exceeded the \
                maximum size limit of2048 bytes";
    for refused in [insert(2049, 1), update(2049, 1), delete(2049)] {
        assert_eq!(house.call::<ExecuteStatement>(refused.clone()).await, invalid(long));
        let batch = json!({ "Statements": [refused] });
        let answered = house.ok::<BatchExecuteStatement>(batch).await;
        assert_eq!(answered["Responses"][0]["Error"]["Message"], long);
    }
    let large = "Item size has exceeded the maximum allowed size";
    assert_eq!(house.call::<ExecuteStatement>(insert(1, 400 << 10)).await, invalid(large));
    let large = "Item size to update has exceeded the maximum allowed size";
    assert_eq!(house.call::<ExecuteStatement>(update(2048, 400 << 10)).await, invalid(large));
}

#[tokio::test(start_paused = true)]
async fn partiql_batches_tell_each_error_and_transactions_only_all_of_them() {
    let house = House::new();
    house.table("tab", json!({})).await;
    house.put("tab", item("a", 1, json!({ "v": { "N": "1" } }))).await;
    let statements = |all: &[&str]| {
        let all: Value = all.iter().map(|text| json!({ "Statement": text })).collect();
        json!({ "Statements": all })
    };
    let one = "SELECT v FROM tab WHERE p = 'a' AND s = 1";
    let reads = statements(&[one, "SELECT v FROM tab WHERE p = 'a'"]);
    let done = house.ok::<BatchExecuteStatement>(reads).await;
    assert_eq!(done["Responses"][0]["Item"], json!({ "v": { "N": "1" } }));
    assert_eq!(done["Responses"][1]["Error"]["Code"], "ValidationError");
    let done = house.ok::<BatchExecuteStatement>(statements(&[one, "SELEC v"])).await;
    assert_eq!(done["Responses"][0]["Item"], json!({ "v": { "N": "1" } }));
    assert_eq!(done["Responses"][1]["Error"]["Code"], "ValidationError", "it alone");
    let insert = "INSERT INTO tab VALUE {'p': 'b', 's': 1}";
    let writes = statements(&["INSERT INTO tab VALUE {'p': 'a', 's': 1}", insert]);
    let done = house.ok::<BatchExecuteStatement>(writes).await;
    assert_eq!(done["Responses"][0]["Error"]["Code"], "DuplicateItem");
    assert_eq!(done["Responses"][1]["TableName"], "tab");
    let mixed = house.call::<BatchExecuteStatement>(statements(&[one, insert])).await;
    assert_eq!(mixed.unwrap_err().0, "ValidationException");
    let transaction = |condition: &str| {
        json!({ "TransactStatements": [
            { "Statement": format!("EXISTS(SELECT * FROM tab WHERE p = 'a' AND s = 1 AND {condition})") },
            { "Statement": "UPDATE tab SET v = 7 WHERE p = 'b' AND s = 1" } ] })
    };
    let failed = house.call::<ExecuteTransaction>(transaction("v = 2")).await.unwrap_err();
    assert_eq!(failed.0, "TransactionCanceledException");
    assert_eq!(house.get("tab", "b", 1).await.get("v"), None);
    house.ok::<ExecuteTransaction>(transaction("v = 1")).await;
    let reads = json!({ "TransactStatements": [
        { "Statement": "SELECT v FROM tab WHERE p = 'b' AND s = 1" } ] });
    let got = house.ok::<ExecuteTransaction>(reads).await;
    assert_eq!(got["Responses"], json!([{ "Item": { "v": { "N": "7" } } }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_transfers_are_never_seen_half_done() {
    let house = std::sync::Arc::new(House::new());
    house.table("tab", json!({})).await;
    let accounts = ["a", "b", "c", "d"];
    for p in accounts {
        house.put("tab", item(p, 0, json!({ "v": { "N": "100" } }))).await;
    }
    let mut all = tokio::task::JoinSet::new();
    for number in 0..6_usize {
        let house = std::sync::Arc::clone(&house);
        all.spawn(async move {
            let mut done = 0;
            for turn in 0..40 {
                let (from, to) =
                    (accounts[(number + turn) % 4], accounts[(number * 3 + 2 * turn + 1) % 4]);
                if from != to {
                    let moved = house.call::<TransactWriteItems>(transfer(from, to, None)).await;
                    done += usize::from(moved.is_ok());
                }
                let gets: Value = accounts
                    .map(|p| json!({ "Get": { "TableName": "tab", "Key": key(p, 0) } }))
                    .into_iter()
                    .collect();
                let read = house.ok::<TransactGetItems>(json!({ "TransactItems": gets })).await;
                let sum: i64 = read["Responses"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| one["Item"]["v"]["N"].as_str().unwrap().parse::<i64>().unwrap())
                    .sum();
                assert_eq!(sum, 400);
            }
            done
        });
    }
    let mut done = 0;
    while let Some(moved) = all.join_next().await {
        done += moved.unwrap();
    }
    assert!(done > 0, "some transfers were carried out");
}

#[tokio::test(start_paused = true)]
async fn a_transaction_moves_four_megabytes_at_most() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let puts = |count: i64| -> Value {
        (0..count)
            .map(|s| {
                let big = item("a", s, json!({ "x": { "S": "x".repeat(399 * 1024) } }));
                json!({ "Put": { "TableName": "tab", "Item": big } })
            })
            .collect()
    };
    house.ok::<TransactWriteItems>(json!({ "TransactItems": puts(10) })).await;
    let more = json!({ "TransactItems": puts(11) });
    assert_eq!(house.call::<TransactWriteItems>(more).await.unwrap_err().0, "ValidationException");
    assert_eq!(house.get("tab", "a", 10).await, Value::Null);
}
