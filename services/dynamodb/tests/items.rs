//! Items: writing, reading, conditions, what is refused.

#![allow(clippy::unwrap_used)]

mod house;

use haar_dynamodb_contract::*;
use house::{House, invalid, item, key, keys, refused, sorts};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn an_item_is_written_read_changed_and_removed() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let whole = item(
        "a",
        1,
        json!({ "n": { "N": "1.50" }, "set": { "NS": ["3", "1"] },
        "doc": { "M": { "l": { "L": [{ "BOOL": true }, { "NULL": true }] } } } }),
    );
    house.put("tab", whole).await;
    let got = house.get("tab", "a", 1).await;
    assert_eq!(got["n"], json!({ "N": "1.5" }));
    assert_eq!(got["set"], json!({ "NS": ["1", "3"] }));
    assert_eq!(house.get("tab", "a", 2).await, Value::Null);

    let update = json!({ "TableName": "tab", "Key": key("a", 1), "ReturnValues": "UPDATED_NEW",
        "UpdateExpression": "SET doc.l[0] = :x, n = n + :one REMOVE #s",
        "ExpressionAttributeNames": { "#s": "set" },
        "ExpressionAttributeValues": { ":x": { "S": "x" }, ":one": { "N": "1" } } });
    let changed = house.ok::<UpdateItem>(update).await;
    let doc = json!({ "M": { "l": { "L": [{ "S": "x" }] } } });
    assert_eq!(changed["Attributes"], json!({ "doc": doc, "n": { "N": "2.5" } }));

    let gone = json!({ "TableName": "tab", "Key": key("a", 1), "ReturnValues": "ALL_OLD" });
    let old = house.ok::<DeleteItem>(gone.clone()).await;
    assert_eq!(old["Attributes"]["n"], json!({ "N": "2.5" }));
    assert_eq!(house.ok::<DeleteItem>(gone).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_update_makes_an_item_that_was_not_there() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let update = json!({ "TableName": "tab", "Key": key("a", 1), "ReturnValues": "ALL_NEW",
        "UpdateExpression": "ADD hits :one", "ExpressionAttributeValues": { ":one": { "N": "1" } } });
    for hits in ["1", "2", "3"] {
        let now = house.ok::<UpdateItem>(update.clone()).await;
        assert_eq!(now["Attributes"], item("a", 1, json!({ "hits": { "N": hits } })));
    }
    let bare = json!({ "TableName": "tab", "Key": key("b", 1) });
    house.ok::<UpdateItem>(bare).await;
    assert_eq!(house.get("tab", "b", 1).await, key("b", 1));
}

#[tokio::test(start_paused = true)]
async fn conditions_guard_writes() {
    let house = House::new();
    house.table("tab", json!({})).await;
    house.put("tab", item("a", 1, json!({ "v": { "N": "1" } }))).await;
    let failed = refused("ConditionalCheckFailedException", "The conditional request failed");
    let again = json!({ "TableName": "tab", "Item": key("a", 1),
        "ConditionExpression": "attribute_not_exists(p)" });
    assert_eq!(house.call::<PutItem>(again).await, failed);
    let wrong = json!({ "TableName": "tab", "Key": key("a", 1), "ConditionExpression": "v = :v",
        "ExpressionAttributeValues": { ":v": { "N": "2" } } });
    assert_eq!(house.call::<DeleteItem>(wrong).await, failed);
    let expected = json!({ "TableName": "tab", "Key": key("a", 1),
        "AttributeUpdates": { "v": { "Action": "ADD", "Value": { "N": "4" } } },
        "Expected": { "v": { "ComparisonOperator": "LT", "AttributeValueList": [{ "N": "2" }] } } });
    house.ok::<UpdateItem>(expected.clone()).await;
    assert_eq!(house.get("tab", "a", 1).await["v"], json!({ "N": "5" }));
    assert_eq!(house.call::<UpdateItem>(expected).await, failed);
    let both = json!({ "TableName": "tab", "Item": key("a", 1), "ConditionExpression": "v = :v",
        "Expected": { "v": { "Exists": false } },
        "ExpressionAttributeValues": { ":v": { "N": "2" } } });
    assert_eq!(
        house.call::<PutItem>(both).await,
        invalid(
            "Can not use both expression and non-expression parameters in the same request: \
             Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_item_is_refused() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let one = "One or more parameter values were invalid: ";
    for (bad, why) in [
        (json!({ "p": { "S": "a" } }), format!("{one}Missing the key s in the item")),
        (
            json!({ "p": { "S": "a" }, "s": { "S": "1" } }),
            format!("{one}Type mismatch for key s expected: N actual: S"),
        ),
        (
            json!({ "p": { "S": "" }, "s": { "N": "1" } }),
            "One or more parameter values are not valid. The AttributeValue for a key attribute \
             cannot contain an empty string value. Key: p"
                .to_owned(),
        ),
        (
            item("a", 1, json!({ "x": { "SS": [] } })),
            format!("{one}An string set  may not be empty"),
        ),
        (
            item("a", 1, json!({ "x": { "SS": ["a", "a"] } })),
            format!("{one}Input collection [a, a] contains duplicates."),
        ),
        (
            item("a", 1, json!({ "x": { "NULL": false } })),
            format!("{one}Null attribute value types must have the value of true"),
        ),
        (
            item("a", 1, json!({ "x": {} })),
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
                .to_owned(),
        ),
        (
            item("a", 1, json!({ "x": { "S": "a", "N": "1" } })),
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of \
             the supported datatypes"
                .to_owned(),
        ),
        (
            item("a", 1, json!({ "x": { "N": "one" } })),
            "The parameter cannot be converted to a numeric value: one".to_owned(),
        ),
        (
            item("a", 1, json!({ "x": { "N": "1e126" } })),
            "Number overflow. Attempting to store a number with magnitude larger than supported \
             range"
                .to_owned(),
        ),
        (
            item("a", 1, json!({ "x": { "S": "x".repeat(400 * 1024) } })),
            "Item size has exceeded the maximum allowed size".to_owned(),
        ),
    ] {
        let input = json!({ "TableName": "tab", "Item": bad });
        assert_eq!(house.call::<PutItem>(input).await, invalid(&why));
    }
    let mut deep = json!({ "S": "end" });
    for _ in 0..33 {
        deep = json!({ "M": { "d": deep } });
    }
    let input = json!({ "TableName": "tab", "Item": item("a", 1, json!({ "x": deep })) });
    let refused_deep = house.call::<PutItem>(input).await.unwrap_err();
    assert!(refused_deep.1.starts_with("Nesting Levels have exceeded supported limits"));
    let input = json!({ "TableName": "tab", "Key": { "p": { "S": "a" } } });
    assert_eq!(
        house.call::<GetItem>(input).await,
        invalid("The provided key element does not match the schema")
    );
    let input = json!({ "TableName": "none", "Key": key("a", 1) });
    assert_eq!(
        house.call::<GetItem>(input).await,
        refused("ResourceNotFoundException", "Requested resource not found")
    );
    let input = json!({ "TableName": "tab", "Key": key("a", 1), "UpdateExpression": "SET p = :p",
        "ExpressionAttributeValues": { ":p": { "S": "b" } } });
    let text = format!("{one}Cannot update attribute p. This attribute is part of the key");
    assert_eq!(house.call::<UpdateItem>(input).await, invalid(&text));
}

/// A table with sort keys of text, and an index by `g` and `h`.
async fn house_of_texts() -> House {
    let house = House::new();
    let define = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let index = json!({
        "IndexName": "by-g", "Projection": { "ProjectionType": "ALL" },
        "KeySchema": keys("g", "h"),
    });
    let more = json!({
        "AttributeDefinitions": [define("p"), define("s"), define("g"), define("h")],
        "GlobalSecondaryIndexes": [index],
    });
    house.table("tab", more).await;
    house
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_too_long_are_refused_wherever_they_are_named() {
    let house = house_of_texts().await;
    let text = |length: usize| json!({ "S": "x".repeat(length) });
    let one = "One or more parameter values were invalid: ";
    let hash = format!("{one}Size of hashkey has exceeded the maximum size limit of2048 bytes");
    let range =
        format!("{one}Aggregated size of all range keys has exceeded the size limit of 1024 bytes");
    for (p, s, refusal) in [(2048, 1024, None), (2049, 1, Some(&hash)), (1, 1025, Some(&range))] {
        let key = json!({ "p": text(p), "s": text(s) });
        let get = json!({ "TableName": "tab", "Key": key });
        let values = json!({ ":p": text(p), ":s": text(s) });
        let query = |condition: &str| {
            json!({
                "TableName": "tab", "KeyConditionExpression": condition,
                "ExpressionAttributeValues": values,
            })
        };
        let answers = [
            house.call::<GetItem>(get.clone()).await,
            house.call::<DeleteItem>(get).await,
            house.call::<Query>(query("p = :p AND s = :s")).await,
            house.call::<Query>(query("p = :p AND begins_with(s, :s)")).await,
            house.call::<Query>(query("p = :p AND s BETWEEN :s AND :s")).await,
            house.call::<PutItem>(json!({ "TableName": "tab", "Item": key })).await,
        ];
        for answer in answers {
            match refusal {
                Some(refusal) => assert_eq!(answer, invalid(refusal)),
                None => assert!(answer.is_ok(), "{answer:?}"),
            }
        }
    }
    for (name, length, max) in [("g", 2049, 2048), ("h", 1025, 1024)] {
        let mut item = json!({ "p": text(1), "s": text(1), "g": text(1), "h": text(1) });
        item[name] = text(length);
        let text = format!(
            "{one}Size limit exceeded for Index Key {name} Actual Size: {length} bytes Max Size: \
             {max} bytes IndexName: by-g"
        );
        let put = json!({ "TableName": "tab", "Item": item });
        assert_eq!(house.call::<PutItem>(put).await, invalid(&text));
    }
}

#[tokio::test(start_paused = true)]
async fn expressions_have_bounds() {
    let house = House::new();
    house.table("tab", json!({})).await;
    let check = async |condition: String| {
        let input = json!({
            "TableName": "tab", "Item": item("a", 1, json!({})), "ConditionExpression": condition,
        });
        house.call::<PutItem>(input).await
    };
    let many = |count: usize| vec!["z<>y"; count].join(" OR ");
    assert!(check(many(150)).await.is_ok(), "150 comparisons and 149 ORs");
    let text = "Invalid ConditionExpression: The expression contains too many operators; operator \
                count: 301";
    assert_eq!(check(many(151)).await, invalid(text));
    let nested = |count: usize| "z<>y OR (".repeat(count) + "z<>y" + &")".repeat(count);
    assert!(check(nested(140)).await.is_ok());
    let index = |index: &str| format!("attribute_not_exists(z[{index}])");
    assert!(check(index("4294967294")).await.is_ok());
    for far in ["4294967295", "99999999999999999999999"] {
        let text = format!(
            "Invalid ConditionExpression: List index is not within the allowable range; index: \
             [{far}]"
        );
        assert_eq!(check(index(far)).await, invalid(&text));
    }
}

#[tokio::test(start_paused = true)]
async fn queries_read_stretches_of_a_partition_in_order() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for s in [-20, -3, 0, 1, 5, 100] {
        house.put("tab", item("a", s, json!({ "odd": { "BOOL": s % 2 != 0 } }))).await;
        house.put("tab", item("ab", s, json!({}))).await;
    }
    let query = |condition: &str, low: i64, high: i64| {
        let mut values = json!({ ":p": { "S": "a" } });
        if condition.contains(":l") {
            values[":l"] = json!({ "N": low.to_string() });
        }
        if condition.contains(":h") {
            values[":h"] = json!({ "N": high.to_string() });
        }
        json!({ "TableName": "tab", "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values })
    };
    for (condition, low, high, found) in [
        ("p = :p", 0, 0, vec![-20, -3, 0, 1, 5, 100]),
        ("p = :p AND s = :l", 1, 0, vec![1]),
        ("p = :p AND s > :l", 0, 0, vec![1, 5, 100]),
        ("p = :p AND s >= :l", 0, 0, vec![0, 1, 5, 100]),
        ("p = :p AND s < :l", 0, 0, vec![-20, -3]),
        ("s <= :l AND p = :p", 0, 0, vec![-20, -3, 0]),
        ("p = :p AND s BETWEEN :l AND :h", -3, 5, vec![-3, 0, 1, 5]),
    ] {
        let page = house.ok::<Query>(query(condition, low, high)).await;
        assert_eq!(sorts(&page), found, "{condition}");
    }
    let mut input = query("p = :p", 0, 0);
    (input["ScanIndexForward"], input["Limit"]) = (json!(false), json!(4));
    let page = house.ok::<Query>(input.clone()).await;
    assert_eq!((sorts(&page), &page["LastEvaluatedKey"]), (vec![100, 5, 1, 0], &key("a", 0)));
    input["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
    let page = house.ok::<Query>(input.clone()).await;
    assert_eq!((sorts(&page), page.get("LastEvaluatedKey")), (vec![-3, -20], None));
    input["ExclusiveStartKey"] = key("b", 0);
    assert_eq!(
        house.call::<Query>(input).await,
        invalid(
            "The provided starting key is outside query boundaries based on provided conditions"
        )
    );
    let mut input = query("p = :p", 0, 0);
    input["FilterExpression"] = json!("odd = :t");
    input["ExpressionAttributeValues"][":t"] = json!({ "BOOL": true });
    input["Select"] = json!("COUNT");
    let page = house.ok::<Query>(input).await;
    assert_eq!(
        (&page["Count"], &page["ScannedCount"], page.get("Items")),
        (&json!(3), &json!(6), None)
    );
}

#[tokio::test(start_paused = true)]
async fn queries_that_cannot_be_are_refused() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for (condition, why) in [
        ("s = :n", "Query condition missed key schema element: p"),
        ("p = :p AND x = :n", "Query condition missed key schema element: s"),
        ("p > :p", "Query key condition not supported"),
        ("p = :p OR s = :n", "Invalid operator used in KeyConditionExpression: OR"),
        ("p = :p AND s <> :n", "Invalid operator used in KeyConditionExpression: <>"),
        (
            "p = :n",
            "One or more parameter values were invalid: Condition parameter type does not match \
             schema type",
        ),
        ("p = :p AND p = :p", "KeyConditionExpressions must only contain one condition per key"),
    ] {
        let mut values = json!({});
        for (name, value) in [(":p", json!({ "S": "a" })), (":n", json!({ "N": "1" }))] {
            if condition.contains(name) {
                values[name] = value;
            }
        }
        let input = json!({ "TableName": "tab", "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values });
        assert_eq!(house.call::<Query>(input).await, invalid(why), "{condition}");
    }
    let input = json!({ "TableName": "tab", "KeyConditionExpression": "p = :p",
        "FilterExpression": "s > :n",
        "ExpressionAttributeValues": { ":p": { "S": "a" }, ":n": { "N": "1" } } });
    assert_eq!(
        house.call::<Query>(input).await,
        invalid(
            "Filter Expression can only contain non-primary key attributes: Primary key \
             attribute: s"
        )
    );
    let input = json!({ "TableName": "tab", "IndexName": "none", "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": { ":p": { "S": "a" } } });
    assert_eq!(
        house.call::<Query>(input).await,
        invalid("The table does not have the specified index: none")
    );
}

#[tokio::test(start_paused = true)]
async fn scans_go_in_pages_and_in_parallel_segments() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for number in 0..60 {
        house.put("tab", item(&format!("p{number}"), number, json!({}))).await;
    }
    let mut seen = Vec::new();
    let mut input = json!({ "TableName": "tab", "Limit": 7 });
    loop {
        let page = house.ok::<Scan>(input.clone()).await;
        seen.extend(sorts(&page));
        match page.get("LastEvaluatedKey") {
            Some(last) => input["ExclusiveStartKey"] = last.clone(),
            None => break,
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    let mut seen = Vec::new();
    for segment in 0..4 {
        let input = json!({ "TableName": "tab", "Segment": segment, "TotalSegments": 4 });
        let found = sorts(&house.ok::<Scan>(input).await);
        assert!(!found.is_empty() && found.len() < 40, "segments are of a size: {found:?}");
        seen.extend(found);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    let input = json!({ "TableName": "tab", "Segment": 4, "TotalSegments": 4 });
    assert_eq!(
        house.call::<Scan>(input).await,
        invalid(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
             Segment: 4 is not less than TotalSegments: 4"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_ends_at_a_megabyte_and_capacity_is_counted_in_full() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for s in 0..5 {
        let big = json!({ "x": { "S": "x".repeat(300 * 1024) } });
        let input = json!({ "TableName": "tab", "Item": item("a", s, big),
            "ReturnConsumedCapacity": "TOTAL" });
        let put = house.ok::<PutItem>(input).await;
        assert_eq!(put["ConsumedCapacity"]["CapacityUnits"], json!(301.0));
    }
    let input = json!({ "TableName": "tab", "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": { ":p": { "S": "a" } }, "ConsistentRead": true,
        "ReturnConsumedCapacity": "INDEXES" });
    let page = house.ok::<Query>(input).await;
    assert_eq!((&page["Count"], &page["LastEvaluatedKey"]), (&json!(4), &key("a", 3)));
    assert_eq!(page["ConsumedCapacity"]["Table"]["CapacityUnits"], json!(301.0));
    let input =
        json!({ "TableName": "tab", "Key": key("none", 0), "ReturnConsumedCapacity": "TOTAL" });
    let none = house.ok::<GetItem>(input).await;
    assert_eq!(none["ConsumedCapacity"]["CapacityUnits"], json!(0.5));
}

#[tokio::test(start_paused = true)]
async fn parameters_from_before_expressions_still_work() {
    let house = House::new();
    house.table("tab", json!({})).await;
    for s in 0..6 {
        let more = json!({ "v": { "N": s.to_string() }, "w": { "S": "x".repeat(s as usize + 1) } });
        house.put("tab", item("a", s, more)).await;
    }
    let condition = |operator: &str, values: Value| json!({ "ComparisonOperator": operator, "AttributeValueList": values });
    let one = condition("EQ", json!([{ "S": "a" }]));
    let stretch = condition("BETWEEN", json!([{ "N": "1" }, { "N": "4" }]));
    let input = json!({ "TableName": "tab", "KeyConditions": { "p": one, "s": stretch },
        "QueryFilter": { "v": condition("NE", json!([{ "N": "2" }])) },
        "AttributesToGet": ["s"] });
    assert_eq!(sorts(&house.ok::<Query>(input).await), [1, 3, 4]);
    let input = json!({ "TableName": "tab", "ConditionalOperator": "OR", "ScanFilter": {
        "v": condition("IN", json!([{ "N": "0" }])), "w": condition("BEGINS_WITH", json!([{ "S": "xxxxx" }])) } });
    let mut found = sorts(&house.ok::<Scan>(input).await);
    found.sort_unstable();
    assert_eq!(found, [0, 4, 5]);
    let update = json!({ "TableName": "tab", "Key": key("a", 0), "ReturnValues": "ALL_NEW",
        "AttributeUpdates": { "v": { "Action": "ADD", "Value": { "N": "2.5" } },
            "w": { "Action": "DELETE" }, "l": { "Value": { "SS": ["q"] } } } });
    let now = house.ok::<UpdateItem>(update).await;
    let left = item("a", 0, json!({ "v": { "N": "2.5" }, "l": { "SS": ["q"] } }));
    assert_eq!(now["Attributes"], left);
    for (filter, why) in [
        (
            condition("BETWEEN", json!([{ "N": "1" }])),
            "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
        ),
        (
            condition("LT", json!([{ "M": {} }])),
            "ComparisonOperator LT is not valid for M AttributeValue type",
        ),
    ] {
        let input = json!({ "TableName": "tab", "ScanFilter": { "v": filter } });
        let text = format!("One or more parameter values were invalid: {why}");
        assert_eq!(house.call::<Scan>(input).await, invalid(&text));
    }
}
