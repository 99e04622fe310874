//! Stories of pipes that read streams.

#![allow(clippy::unwrap_used)]

mod house;

use haar_pipes_contract::{DeletePipe, StartPipe, StopPipe};
use house::{House, SECOND, arn, function};
use serde_json::{Value, json};

fn kinesis(more: Value) -> Value {
    let mut parameters = json!({"StartingPosition": "TRIM_HORIZON"});
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"SourceParameters": {"KinesisStreamParameters": parameters}})
}

fn with(mut one: Value, other: Value) -> Value {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}

/// A table with a stream; answers the stream's ARN.
async fn table(house: &House) -> String {
    let input = json!({
        "TableName": "table",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
    });
    let made = house.ok::<haar_dynamodb_contract::CreateTable>(input).await;
    house.pass(SECOND).await;
    made["TableDescription"]["LatestStreamArn"].as_str().unwrap().to_owned()
}

async fn put_item(house: &House, id: &str) {
    let input = json!({"TableName": "table", "Item": {"id": {"S": id}, "n": {"N": "5"}}});
    house.ok::<haar_dynamodb_contract::PutItem>(input).await;
}

#[tokio::test(start_paused = true)]
async fn records_of_a_stream_are_decoded_filtered_and_go_on_behind_a_restart() {
    let house = House::new();
    let (stream, queues) = (house.stream("s").await, house.queues(&["out"]).await);
    let more = with(
        kinesis(json!({})),
        json!({"TargetParameters": {"InputTemplate": "{\"city\": <$.data.city>, \"key\": <$.partitionKey>}"}}),
    );
    let mut more = more;
    more["SourceParameters"]["FilterCriteria"] =
        json!({"Filters": [{"Pattern": "{\"data\": {\"city\": [{\"prefix\": \"O\"}]}}"}]});
    house.put("s", "a", r#"{"city": "Oslo"}"#).await;
    house.pipe("p", &stream, &queues[0], more).await;
    house.put("s", "b", r#"{"city": "Rome"}"#).await;
    house.pass(3 * SECOND).await;
    assert_eq!(house.bodies("out").await, [r#"{"city": "Oslo", "key": "a"}"#]);
    let house = house.again().await;
    house.pass(3 * SECOND).await;
    house.put("s", "c", r#"{"city": "Omsk"}"#).await;
    house.pass(3 * SECOND).await;
    assert_eq!(house.bodies("out").await, [r#"{"city": "Omsk", "key": "c"}"#]);
    assert_eq!(house.count("out").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_pipe_goes_on_where_it_was_and_another_of_its_name_begins_anew() {
    let house = House::new();
    let (stream, queues) = (house.stream("s").await, house.queues(&["out"]).await);
    let template = json!({"TargetParameters": {"InputTemplate": "<$.partitionKey>"}});
    let more = with(kinesis(json!({})), template);
    house.put("s", "a", "x").await;
    house.pipe("p", &stream, &queues[0], more.clone()).await;
    house.pass(3 * SECOND).await;
    house.ok::<StopPipe>(json!({"Name": "p"})).await;
    house.pass(SECOND).await;
    house.put("s", "b", "x").await;
    house.pass(3 * SECOND).await;
    assert_eq!(house.bodies("out").await, ["\"a\""]);
    house.ok::<StartPipe>(json!({"Name": "p"})).await;
    house.pass(3 * SECOND).await;
    assert_eq!(house.bodies("out").await, ["\"b\""]);
    house.ok::<DeletePipe>(json!({"Name": "p"})).await;
    house.pass(SECOND).await;
    house.pipe("p", &stream, &queues[0], more).await;
    house.pass(3 * SECOND).await;
    let mut bodies = house.bodies("out").await;
    bodies.sort();
    assert_eq!(bodies, ["\"a\"", "\"b\""]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_keeps_failing_is_told_to_the_dead_letters() {
    let house = House::new();
    let (stream, queues) = (house.stream("s").await, house.queues(&["dead"]).await);
    house.functions.on("f", |_| Err(json!({"errorMessage": "no"})));
    let more = kinesis(json!({
        "MaximumRetryAttempts": 2, "DeadLetterConfig": {"Arn": queues[0]},
    }));
    house.pipe("p", &stream, &function("f"), more).await;
    house.put("s", "a", "x").await;
    house.pass(30 * SECOND).await;
    assert_eq!(house.functions.had("f").len(), 3);
    let told: Value = serde_json::from_str(&house.bodies("dead").await[0]).unwrap();
    let context = json!({
        "partnerResourceArn": arn("pipes", "pipe/p"), "condition": "RetryAttemptsExhausted",
    });
    assert_eq!(told["context"], context);
    assert_eq!(told["version"], json!("1.0"));
    let info = &told["KinesisBatchInfo"];
    assert_eq!((&info["batchSize"], &info["streamArn"]), (&json!(1), &json!(stream)));
    // the stream goes on behind it
    house.functions.on("f", |_| Ok(json!({})));
    house.put("s", "b", "x").await;
    house.pass(5 * SECOND).await;
    assert_eq!(house.functions.had("f").last().unwrap()[0]["partitionKey"], json!("b"));
}

#[tokio::test(start_paused = true)]
async fn a_poison_record_is_found_by_halving_or_by_the_functions_report() {
    for (bisects, calls) in [(true, 5), (false, 3)] {
        let house = House::new();
        let (stream, queues) = (house.stream("s").await, house.queues(&["dead"]).await);
        house.functions.on("f", move |events| {
            let events = events.as_array().unwrap();
            let bad = events.iter().find(|event| event["partitionKey"] == "bad");
            match bad {
                Some(_) if bisects => Err(json!({"errorMessage": "no"})),
                Some(bad) => Ok(json!({"batchItemFailures": [{"itemIdentifier": bad["eventID"]}]})),
                None => Ok(json!({})),
            }
        });
        let mut parameters = json!({
            "MaximumRetryAttempts": 1, "DeadLetterConfig": {"Arn": queues[0]},
            "MaximumBatchingWindowInSeconds": 2,
        });
        if bisects {
            parameters["OnPartialBatchItemFailure"] = json!("AUTOMATIC_BISECT");
        }
        for key in ["a", "bad", "c"] {
            house.put("s", key, "x").await;
        }
        house.pipe("p", &stream, &function("f"), kinesis(parameters)).await;
        house.pass(30 * SECOND).await;
        let told: Value = serde_json::from_str(&house.bodies("dead").await[0]).unwrap();
        let sizes: Vec<usize> =
            house.functions.had("f").iter().map(|had| had.as_array().unwrap().len()).collect();
        if bisects {
            // all, the first half, the second, the poison alone twice, the rest
            assert_eq!(told["KinesisBatchInfo"]["batchSize"], json!(1));
            assert_eq!(sizes, [3, 1, 2, 1, 1, 1]);
        } else {
            // all; what follows the checkpoint, as often as it may be tried again
            assert_eq!(told["KinesisBatchInfo"]["batchSize"], json!(2));
            assert_eq!(sizes[..2], [3, 2]);
        }
        assert!(sizes.len() <= calls + 1, "{sizes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_are_too_old_are_given_up() {
    let house = House::new();
    let (stream, queues) = (house.stream("s").await, house.queues(&["dead"]).await);
    house.functions.on("f", |_| Err(json!({})));
    let more = kinesis(json!({
        "MaximumRecordAgeInSeconds": 60, "DeadLetterConfig": {"Arn": queues[0]},
    }));
    house.pipe("p", &stream, &function("f"), more).await;
    house.put("s", "a", "x").await;
    house.pass(180 * SECOND).await;
    let told: Value = serde_json::from_str(&house.bodies("dead").await[0]).unwrap();
    assert_eq!(told["context"]["condition"], json!("RecordAgeExceeded"));
}

#[tokio::test(start_paused = true)]
async fn one_key_that_is_stuck_holds_up_no_other() {
    let house = House::new();
    let stream = house.stream("s").await;
    house.functions.on("f", |events| match events[0]["partitionKey"].as_str() {
        Some("a") => Err(json!({})),
        _ => Ok(json!({})),
    });
    let more = kinesis(json!({"ParallelizationFactor": 2, "BatchSize": 1}));
    for key in ["a", "b", "b"] {
        house.put("s", key, "x").await;
    }
    house.pipe("p", &stream, &function("f"), more).await;
    house.pass(10 * SECOND).await;
    let had = house.functions.had("f");
    assert_eq!(had.iter().filter(|had| had[0]["partitionKey"] == "b").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_table_become_events_of_a_bus() {
    let house = House::new();
    let (stream, queues) = (table(&house).await, house.queues(&["out"]).await);
    let rule = json!({"Name": "r", "EventPattern": json!({"source": ["shop"]}).to_string()});
    house.ok::<haar_events_contract::PutRule>(rule).await;
    let targets = json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": queues[0]}]});
    house.ok::<haar_events_contract::PutTargets>(targets).await;
    let more = json!({
        "SourceParameters": {"DynamoDBStreamParameters": {
            "StartingPosition": "LATEST", "BatchSize": 10,
        }},
        "TargetParameters": {
            "InputTemplate": "{\"id\": <$.dynamodb.NewImage.id.S>}",
            "EventBridgeEventBusParameters": {
                "Source": "shop", "DetailType": "$.eventName", "Resources": ["$.eventSourceARN"],
                "Time": "$.dynamodb.ApproximateCreationDateTime",
            },
        },
    });
    put_item(&house, "before").await;
    house.pipe("p", &stream, &arn("events", "event-bus/default"), more).await;
    house.pass(SECOND).await;
    put_item(&house, "x").await;
    house.pass(3 * SECOND).await;
    let event: Value = serde_json::from_str(&house.bodies("out").await[0]).unwrap();
    assert_eq!((&event["source"], &event["detail-type"]), (&json!("shop"), &json!("INSERT")));
    assert_eq!((&event["detail"], &event["resources"]), (&json!({"id": "x"}), &json!([stream])));
    assert_eq!(event["time"], json!("2027-01-15T08:00:03Z"));
    let house = house.again().await;
    put_item(&house, "y").await;
    house.pass(3 * SECOND).await;
    let event: Value = serde_json::from_str(&house.bodies("out").await[0]).unwrap();
    assert_eq!(event["detail"], json!({"id": "y"}));
    assert_eq!(house.count("out").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_bus_is_told_where_events_come_from_unless_a_pipe_says_so() {
    let house = House::new();
    let queues = house.queues(&["in", "out"]).await;
    let rule = json!({"Name": "r", "EventPattern": json!({"source": ["Pipe p"]}).to_string()});
    house.ok::<haar_events_contract::PutRule>(rule).await;
    let targets = json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": queues[1]}]});
    house.ok::<haar_events_contract::PutTargets>(targets).await;
    house.pipe("p", &queues[0], &arn("events", "event-bus/default"), json!({})).await;
    house.send("in", &["hello"]).await;
    house.pass(3 * SECOND).await;
    let event: Value = serde_json::from_str(&house.bodies("out").await[0]).unwrap();
    assert_eq!(event["detail-type"], json!("Event from aws:sqs"));
    assert_eq!(event["detail"]["body"], json!("hello"));
}
