//! Global indexes whose keys have several attributes.

#![allow(clippy::unwrap_used)]

mod house;

use haar_dynamodb_contract::*;
use house::{House, invalid};
use serde_json::{Value, json};

fn schema(hashes: &[&str], ranges: &[&str]) -> Value {
    let of =
        |kind: &'static str| move |name: &&str| json!({ "AttributeName": name, "KeyType": kind });
    hashes.iter().map(of("HASH")).chain(ranges.iter().map(of("RANGE"))).collect()
}

fn definitions() -> Value {
    let one = |(name, kind): (&str, &str)| json!({ "AttributeName": name, "AttributeType": kind });
    let all = [("id", "S"), ("cup", "S"), ("region", "S"), ("round", "N"), ("bracket", "S")];
    all.into_iter().map(one).collect()
}

fn index(schema: Value) -> Value {
    json!({ "IndexName": "by-round", "KeySchema": schema, "Projection": { "ProjectionType": "ALL" } })
}

fn by_round() -> Value {
    index(schema(&["cup", "region"], &["round", "bracket"]))
}

fn table(indexes: Value) -> Value {
    json!({ "TableName": "matches", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": definitions(), "KeySchema": schema(&["id"], &[]),
        "GlobalSecondaryIndexes": indexes })
}

fn game(id: &str, cup: &str, region: &str, round: i64, bracket: &str) -> Value {
    json!({ "id": { "S": id }, "cup": { "S": cup }, "region": { "S": region },
        "round": { "N": round.to_string() }, "bracket": { "S": bracket } })
}

async fn fill(house: &House) {
    for (id, cup, region, round, bracket) in [
        ("a", "w24", "na", 10, "upper"),
        ("b", "w24", "na", 9, "upper"),
        ("c", "w24", "na", 9, "lower"),
        ("d", "w24", "eu", 9, "lower"),
        ("e", "s24", "na", 9, "lower"),
        // the same letters, put together otherwise
        ("f", "w24n", "a", 9, "lower"),
    ] {
        house.put("matches", game(id, cup, region, round, bracket)).await;
    }
    let mut alone = game("g", "w24", "na", 9, "lower");
    alone.as_object_mut().unwrap().remove("bracket");
    house.put("matches", alone).await;
}

fn query(condition: &str, more: Value) -> Value {
    let mut values = json!({});
    for (name, value) in [
        (":c", json!({ "S": "w24" })),
        (":r", json!({ "S": "na" })),
        (":n", json!({ "N": "9" })),
        (":b", json!({ "S": "l" })),
    ] {
        if condition.contains(name) {
            values[name] = value;
        }
    }
    let mut input = json!({ "TableName": "matches", "IndexName": "by-round",
        "KeyConditionExpression": condition, "ExpressionAttributeValues": values,
        "ExpressionAttributeNames": { "#region": "region" } });
    for (member, value) in more.as_object().unwrap() {
        input[member] = value.clone();
    }
    input
}

fn ids(page: &Value) -> String {
    let all = page["Items"].as_array().unwrap();
    all.iter().map(|item| item["id"]["S"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_index_is_read_by_all_of_its_partition_and_by_its_sort_key_from_the_left() {
    let house = House::new();
    let made = house.ok::<CreateTable>(table(json!([by_round()]))).await;
    let shown = &made["TableDescription"]["GlobalSecondaryIndexes"][0]["KeySchema"];
    assert_eq!(*shown, by_round()["KeySchema"]);
    house.active("matches").await;
    fill(&house).await;
    let whole = "cup = :c AND #region = :r";
    for (condition, found) in [
        (whole.to_owned(), "cba"),
        (format!("round = :n AND {whole}"), "cb"),
        (format!("{whole} AND round > :n"), "a"),
        (format!("{whole} AND round <= :n"), "cb"),
        (format!("{whole} AND round = :n AND begins_with(bracket, :b)"), "c"),
        (format!("{whole} AND round = :n AND bracket > :b"), "cb"),
    ] {
        let page = house.ok::<Query>(query(&condition, json!({}))).await;
        assert_eq!(ids(&page), found, "{condition}");
    }
    let back = house.ok::<Query>(query(whole, json!({ "ScanIndexForward": false }))).await;
    assert_eq!(ids(&back), "abc");
    let scan = json!({ "TableName": "matches", "IndexName": "by-round" });
    assert_eq!(house.ok::<Scan>(scan).await["Count"], 6);
}

#[tokio::test(start_paused = true)]
async fn conditions_that_leave_out_an_attribute_are_refused() {
    let house = House::new();
    house.ok::<CreateTable>(table(json!([by_round()]))).await;
    house.active("matches").await;
    let whole = "cup = :c AND #region = :r";
    let missed =
        |name: &str| invalid(&format!("Query condition missed key schema element: {name}"));
    let unsupported = || invalid("Query key condition not supported");
    for (condition, refusal) in [
        ("cup = :c AND round = :n".to_owned(), missed("region")),
        (format!("{whole} AND bracket = :b"), missed("round")),
        (format!("{whole} AND round > :n AND bracket = :b"), unsupported()),
        ("cup > :c AND #region = :r".to_owned(), unsupported()),
    ] {
        let mut input = query(&condition, json!({}));
        if !condition.contains('#') {
            input.as_object_mut().unwrap().remove("ExpressionAttributeNames");
        }
        assert_eq!(house.call::<Query>(input).await, refusal, "{condition}");
    }
}

#[tokio::test(start_paused = true)]
async fn attributes_of_a_kind_share_the_bytes_of_a_key() {
    let house = House::new();
    house
        .ok::<CreateTable>(table(json!([index(schema(
            &["cup", "region"],
            &["id", "bracket", "round"]
        ))])))
        .await;
    house.active("matches").await;
    let asked = |sizes: [usize; 4]| {
        let condition = "cup = :c AND #region = :r AND id = :i AND begins_with(bracket, :b)";
        let mut input = query(condition, json!({}));
        for (name, size) in [":c", ":r", ":i", ":b"].into_iter().zip(sizes) {
            input["ExpressionAttributeValues"][name] = json!({ "S": "x".repeat(size) });
        }
        house.call::<Query>(input)
    };
    asked([2000, 48, 1000, 24]).await.unwrap();
    let refused =
        |text: &str| invalid(&format!("One or more parameter values were invalid: {text}"));
    assert_eq!(
        asked([2000, 49, 1000, 24]).await,
        refused("Size of hashkey has exceeded the maximum size limit of2048 bytes")
    );
    assert_eq!(
        asked([2000, 48, 1000, 25]).await,
        refused("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
    );
}

#[tokio::test(start_paused = true)]
async fn pages_of_such_an_index_go_on_behind_their_last_key() {
    let house = House::new();
    house.ok::<CreateTable>(table(json!([by_round()]))).await;
    house.active("matches").await;
    fill(&house).await;
    let mut more = json!({ "Limit": 1 });
    let mut found = String::new();
    for _ in 0..3 {
        let page = house.ok::<Query>(query("cup = :c AND #region = :r", more.clone())).await;
        found += &ids(&page);
        let last = &page["LastEvaluatedKey"];
        assert_eq!(last.as_object().unwrap().len(), 5, "{last}");
        more["ExclusiveStartKey"] = last.clone();
    }
    assert_eq!(found, "cba");
    let page = house.ok::<Query>(query("cup = :c AND #region = :r", more.clone())).await;
    assert_eq!((ids(&page).as_str(), &page["LastEvaluatedKey"]), ("", &Value::Null));
    more["ExclusiveStartKey"]["region"] = json!({ "S": "eu" });
    assert_eq!(
        house.call::<Query>(query("cup = :c AND #region = :r", more)).await,
        invalid(
            "The provided starting key is outside query boundaries based on provided conditions"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn such_an_index_is_added_to_items_that_are_there_and_read_by_statements() {
    let house = House::new();
    let mut plain = table(json!([]));
    let members = plain.as_object_mut().unwrap();
    members.remove("GlobalSecondaryIndexes");
    members["AttributeDefinitions"] = json!([{ "AttributeName": "id", "AttributeType": "S" }]);
    house.ok::<CreateTable>(plain).await;
    house.active("matches").await;
    fill(&house).await;
    let add = json!({ "TableName": "matches", "AttributeDefinitions": definitions(),
        "GlobalSecondaryIndexUpdates": [{ "Create": by_round() }] });
    house.ok::<UpdateTable>(add).await;
    house.active("matches").await;
    let found = house.ok::<Query>(query("cup = :c AND #region = :r", json!({}))).await;
    assert_eq!((ids(&found).as_str(), &found["ScannedCount"]), ("cba", &json!(3)));
    let select = "SELECT id FROM \"matches\".\"by-round\" WHERE cup = 'w24' AND region = 'na' \
                  AND round = 9 AND bracket > 'lower' ORDER BY round";
    let found = house.ok::<ExecuteStatement>(json!({ "Statement": select })).await;
    assert_eq!(ids(&found), "b");
    let ordered = |by: &str| {
        let select = format!(
            "SELECT id FROM \"matches\".\"by-round\" WHERE cup = 'w24' AND region = 'na' ORDER BY {by}"
        );
        json!({ "Statement": select })
    };
    for (by, wanted) in [
        ("round", "cba"),
        ("round, bracket", "cba"),
        ("cup, round DESC, bracket DESC", "abc"),
        ("region DESC, round", "cba"),
    ] {
        assert_eq!(ids(&house.ok::<ExecuteStatement>(ordered(by)).await), wanted, "{by}");
    }
    for (by, name) in [("bracket", "bracket"), ("round DESC, bracket", "bracket"), ("id", "id")] {
        let text = "in ORDER BY clause must be part of the primary key";
        let refused = house.call::<ExecuteStatement>(ordered(by)).await;
        assert_eq!(refused, invalid(&format!("Variable reference {name} {text}")), "{by}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_tables_have_one_attribute_of_a_kind_and_of_indexes_four() {
    let house = House::new();
    let mut wide = table(json!([by_round()]));
    wide["KeySchema"] = schema(&["id", "cup"], &[]);
    assert_eq!(
        house.call::<CreateTable>(wide).await,
        invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
    );
    let five = ["id", "cup", "region", "round", "bracket"];
    for (keys, why) in [
        (schema(&five, &[]), "A key has 4 attributes of each key type at most"),
        (schema(&[], &["cup"]), "The first KeySchemaElement is not a HASH key type"),
    ] {
        let refused = house.call::<CreateTable>(table(json!([index(keys)]))).await;
        assert_eq!(refused, invalid(&format!("Invalid KeySchema: {why}")));
    }
    house.ok::<CreateTable>(table(json!([index(schema(&five[1..], &["id"]))]))).await;
}
