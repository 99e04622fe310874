//! What reaches targets of all kinds, and what the logs tell of it.

#![allow(clippy::unwrap_used)]

mod house;

use haar_kernel::targets::Undelivered;
use haar_lambda_contract::model::InvocationType;
use house::{House, SECOND, arn, function};
use serde_json::{Value, json};

async fn sent(house: &House, target: &str, more: Value, bodies: &[&str]) {
    let queues = house.queues(&["in"]).await;
    house.pipe("p", &queues[0], target, more).await;
    house.send("in", bodies).await;
    house.pass(5 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_function_is_waited_for_or_not() {
    for (kind, expected) in [
        ("REQUEST_RESPONSE", InvocationType::RequestResponse),
        ("FIRE_AND_FORGET", InvocationType::Event),
    ] {
        let house = House::new();
        house.functions.on("f", |_| Err(json!({})));
        let more = json!({"TargetParameters": {
            "LambdaFunctionParameters": {"InvocationType": kind},
            "InputTemplate": "hello <$.body>",
        }});
        sent(&house, &function("f"), more, &["m"]).await;
        assert_eq!(house.functions.kinds.lock()[0], expected);
        // a text that is no JSON is a JSON text of the list
        assert_eq!(house.functions.had("f")[0], json!(["hello \"m\""]));
        let left = u32::from(expected == InvocationType::RequestResponse);
        assert_eq!(house.count("in").await, left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_and_a_stream_get_a_message_for_each_event() {
    let house = House::new();
    let topic = house.ok::<haar_sns_contract::CreateTopic>(json!({"Name": "t"})).await;
    let topic = topic["TopicArn"].as_str().unwrap().to_owned();
    let queues = house.queues(&["out"]).await;
    let input = json!({
        "TopicArn": topic, "Protocol": "sqs", "Endpoint": queues[0],
        "Attributes": {"RawMessageDelivery": "true"},
    });
    house.ok::<haar_sns_contract::Subscribe>(input).await;
    let template = json!({"TargetParameters": {"InputTemplate": "<$.body.id>"}});
    sent(&house, &topic, template, &[r#"{"id": 1}"#, r#"{"id": 2}"#]).await;
    let mut bodies = house.bodies("out").await;
    bodies.sort();
    assert_eq!(bodies, ["1", "2"]);

    let stream = house.stream("s").await;
    let more = json!({"TargetParameters": {
        "InputTemplate": "<$.body>",
        "KinesisStreamParameters": {"PartitionKey": "$.body.id"},
    }});
    let queues = house.queues(&["in2"]).await;
    house.pipe("q", &queues[0], &stream, more).await;
    house.send("in2", &[r#"{"id":7}"#]).await;
    house.pass(5 * SECOND).await;
    let input = json!({
        "StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON",
    });
    let place = house.ok::<haar_kinesis_contract::GetShardIterator>(input).await;
    let input = json!({"ShardIterator": place["ShardIterator"]});
    let got = house.ok::<haar_kinesis_contract::GetRecords>(input).await;
    assert_eq!(got["Records"][0]["PartitionKey"], json!("7"));
    assert_eq!(got["Records"][0]["Data"], json!("eyJpZCI6N30="));
}

#[tokio::test(start_paused = true)]
async fn a_log_group_gets_lines_in_streams_and_at_times_that_events_name() {
    let house = House::new();
    let input = json!({"logGroupName": "g"});
    house.ok::<haar_logs_contract::model::CreateLogGroup>(input).await;
    let more = json!({"TargetParameters": {
        "InputTemplate": "<$.body.text>",
        "CloudWatchLogsParameters": {
            "LogStreamName": "$.body.stream", "Timestamp": "$.attributes.SentTimestamp",
        },
    }});
    let bodies = [r#"{"text": "one", "stream": "a"}"#, r#"{"text": "two", "stream": "b"}"#];
    sent(&house, &arn("logs", "log-group:g"), more, &bodies).await;
    for (stream, text) in [("a", "\"one\""), ("b", "\"two\"")] {
        let input = json!({"logGroupName": "g", "logStreamName": stream});
        let got = house.ok::<haar_logs_contract::model::GetLogEvents>(input).await;
        assert_eq!(got["events"][0]["message"], json!(text));
        assert_eq!(got["events"][0]["timestamp"], json!(house::BEGIN.0 + 1000));
    }
    assert_eq!(house.count("in").await, 0);
}

/// Gathers messages into one batch.
fn gathered(more: Value) -> Value {
    let mut all = json!({"SourceParameters": {"SqsQueueParameters": {
        "BatchSize": 10, "MaximumBatchingWindowInSeconds": 2,
    }}});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[tokio::test(start_paused = true)]
async fn lines_that_the_log_group_rejects_are_left_and_days_are_written_apart() {
    let house = House::new();
    let input = json!({"logGroupName": "g"});
    house.ok::<haar_logs_contract::model::CreateLogGroup>(input).await;
    let more = gathered(json!({"TargetParameters": {
        "InputTemplate": "<$.body.text>",
        "CloudWatchLogsParameters": {"LogStreamName": "s", "Timestamp": "$.body.at"},
    }}));
    let bodies = [
        r#"{"text": "now", "at": "2027-01-15T08:00:00Z"}"#,
        r#"{"text": "too old", "at": "2026-12-01T08:00:00Z"}"#,
        r#"{"text": "days ago", "at": "2027-01-10T08:00:00Z"}"#,
        r#"{"text": "too new", "at": "2027-01-15T18:00:00Z"}"#,
    ];
    sent(&house, &arn("logs", "log-group:g"), more, &bodies).await;
    let input = json!({"logGroupName": "g", "logStreamName": "s", "startFromHead": true});
    let got = house.ok::<haar_logs_contract::model::GetLogEvents>(input).await;
    let texts: Vec<_> =
        got["events"].as_array().unwrap().iter().map(|event| event["message"].clone()).collect();
    assert_eq!(texts, [json!("\"days ago\""), json!("\"now\"")]);
    assert_eq!(house.count("in").await, 2);
    assert_eq!(house.metrics.sum("TargetStagePartiallyFailed") as u32, 1);
}

/// Lines of the pipe's stream in `g`, of which a page holds a mebibyte.
async fn lines(house: &House) -> usize {
    let (mut count, mut token) = (0, Value::Null);
    loop {
        let input = json!({
            "logGroupName": "g", "logStreamName": "p", "startFromHead": true, "nextToken": token,
        });
        let got = house.call::<haar_logs_contract::model::GetLogEvents>(input).await;
        let page = got.unwrap_or_default();
        let events = page["events"].as_array().map_or(0, Vec::len);
        if events == 0 {
            return count;
        }
        (count, token) = (count + events, page["nextForwardToken"].clone());
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_by_as_many_calls_as_its_bytes_need() {
    for (to, size, expected) in
        [("queue", 400_000, 3), ("topic", 200_000, 3), ("lines", 400_000, 3)]
    {
        let house = House::new();
        let queues = house.queues(&["out"]).await;
        let topic = house.ok::<haar_sns_contract::CreateTopic>(json!({"Name": "t"})).await;
        let topic = topic["TopicArn"].as_str().unwrap().to_owned();
        let input = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queues[0]});
        house.ok::<haar_sns_contract::Subscribe>(input).await;
        let input = json!({"logGroupName": "g"});
        house.ok::<haar_logs_contract::model::CreateLogGroup>(input).await;
        let target = match to {
            "queue" => queues[0].clone(),
            "topic" => topic,
            _ => arn("logs", "log-group:g"),
        };
        let text = "x".repeat(size);
        sent(&house, &target, gathered(json!({})), &[text.as_str(); 3]).await;
        assert_eq!(house.count("in").await, 0, "{to}");
        let lines = lines(&house).await;
        assert_eq!(house.count("out").await as usize + lines, expected, "{to}");
        assert_eq!(house.metrics.sum("ExecutionThrottled") as u32, 0, "{to}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_runs_a_task_for_each_event_with_its_parameters() {
    let house = House::new();
    let more = json!({"TargetParameters": {"EcsTaskParameters": {
        "TaskDefinitionArn": arn("ecs", "task-definition/t:1"),
        "TaskCount": 2,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-1"]}},
        "Overrides": {"ContainerOverrides": [{
            "Name": "c", "Environment": [{"name": "ID", "value": "$.body.id"}],
        }]},
    }}});
    sent(&house, &arn("ecs", "cluster/c"), more, &[r#"{"id": 5}"#, r#"{"id": 6}"#]).await;
    let got = house.receiver.got.lock();
    let mut ids: Vec<_> = got
        .iter()
        .map(|one| {
            let given = one.parameters.as_ref().unwrap();
            assert_eq!((&given["TaskCount"], &given["StartedBy"]), (&json!(2), &json!("pipes/p")));
            given["Overrides"]["ContainerOverrides"][0]["Environment"][0]["value"].clone()
        })
        .collect();
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, [json!("5"), json!("6")]);
}

#[tokio::test(start_paused = true)]
async fn destinations_enrich_and_are_targets() {
    let house = House::new();
    let to = arn("events", "api-destination/d/1");
    house.destinations.answers.lock().extend([Ok(""), Ok(r#"{"name": "n"}"#)]);
    let more = json!({
        "Enrichment": to,
        "EnrichmentParameters": {
            "InputTemplate": "{\"ask\": <$.body.id>}",
            "HttpParameters": {
                "PathParameterValues": ["$.body.id"],
                "HeaderParameters": {"x-id": "$.messageId"},
                "QueryStringParameters": {"q": "fixed"},
            },
        },
        "TargetParameters": {"InputTemplate": "{\"got\": <$.name>}"},
    });
    sent(&house, &to, more, &[r#"{"id": 5}"#]).await;
    let had = house.destinations.had.lock();
    assert_eq!(had.len(), 2);
    assert_eq!(
        (had[0].body.as_str(), &had[0].path_parameter_values[..]),
        (r#"{"ask": 5}"#, &["5".to_owned()][..])
    );
    assert_eq!(had[0].query_string_parameters["q"], "fixed");
    assert_eq!(had[0].header_parameters["x-id"].len(), 36);
    assert_eq!(had[1].body, r#"{"got": "n"}"#);
}

#[tokio::test(start_paused = true)]
async fn an_endpoints_faults_use_up_receives_and_what_is_no_fault_of_its_does_not() {
    let house = House::new();
    let failure = |code: &str| {
        let (code, message) = (code.to_owned(), "no".to_owned());
        Err(Undelivered { code, message, is_transient: true })
    };
    // the last is the first
    let codes = ["TIMEOUT", "CONNECTION_FAILURE", "ERROR_FROM_TARGET", "InternalException"];
    house.destinations.answers.lock().extend(codes.map(failure));
    sent(&house, &arn("events", "api-destination/d/1"), json!({}), &["m"]).await;
    house.pass(120 * SECOND).await;
    assert_eq!(house.destinations.had.lock().len(), 5);
    assert_eq!(house.count("in").await, 0);
    let last = house.destinations.had.lock()[4].body.clone();
    let event: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(event["attributes"]["ApproximateReceiveCount"], json!("4"));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_leads_nowhere_fails_the_execution() {
    let house = House::new();
    let stream = house.stream("s").await;
    let more = json!({"TargetParameters": {
        "KinesisStreamParameters": {"PartitionKey": "$.body.gone"},
    }});
    sent(&house, &stream, more, &["{}"]).await;
    assert_eq!(house.metrics.sum("TargetStageFailed") as u32, 1);
    assert_eq!(house.count("in").await, 1);
}

async fn steps(house: &House) -> Vec<Value> {
    house.pass(SECOND).await;
    let input = json!({"logGroupName": "/pipes", "logStreamName": "p", "startFromHead": true});
    let got = house.ok::<haar_logs_contract::model::GetLogEvents>(input).await;
    let events = got["events"].as_array().unwrap().iter();
    events.map(|event| serde_json::from_str(event["message"].as_str().unwrap()).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn logs_tell_of_each_step_at_their_level() {
    for (level, expected) in [
        (
            "TRACE",
            vec![
                "EXECUTION_STARTED",
                "ENRICHMENT_STAGE_ENTERED",
                "ENRICHMENT_INVOCATION_STARTED",
                "ENRICHMENT_INVOCATION_SUCCEEDED",
                "ENRICHMENT_STAGE_SUCCEEDED",
                "TARGET_STAGE_ENTERED",
                "TARGET_TRANSFORMATION_STARTED",
                "TARGET_TRANSFORMATION_SUCCEEDED",
                "TARGET_INVOCATION_STARTED",
                "TARGET_INVOCATION_FAILED",
                "TARGET_STAGE_FAILED",
                "EXECUTION_FAILED",
            ],
        ),
        (
            "INFO",
            vec![
                "EXECUTION_STARTED",
                "ENRICHMENT_STAGE_ENTERED",
                "ENRICHMENT_STAGE_SUCCEEDED",
                "TARGET_STAGE_ENTERED",
                "TARGET_INVOCATION_FAILED",
                "TARGET_STAGE_FAILED",
                "EXECUTION_FAILED",
            ],
        ),
        ("ERROR", vec!["TARGET_INVOCATION_FAILED", "TARGET_STAGE_FAILED", "EXECUTION_FAILED"]),
    ] {
        let house = House::new();
        house.functions.on("f", |events| Ok(events.clone()));
        let more = json!({
            "Enrichment": function("f"),
            "TargetParameters": {"InputTemplate": "<$.body>"},
            "LogConfiguration": {
                "Level": level,
                "IncludeExecutionData": ["ALL"],
                "CloudwatchLogsLogDestination": {"LogGroupArn": arn("logs", "log-group:/pipes")},
            },
        });
        sent(&house, &function("gone"), more, &["secret"]).await;
        let told = steps(&house).await;
        let names: Vec<_> = told.iter().map(|one| one["messageType"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{level}");
        let last = told.last().unwrap();
        assert_eq!(last["error"]["httpStatusCode"], json!(404));
        assert_eq!(last["resourceArn"], json!(arn("pipes", "pipe/p")));
        assert!(told.iter().all(|one| one["executionId"] == last["executionId"]));
        let has_data = told[0]["payload"].as_str().is_some_and(|data| data.contains("secret"));
        assert_eq!(has_data, level != "ERROR");
    }
}

#[tokio::test(start_paused = true)]
async fn logs_carry_no_data_unless_asked_and_go_to_buckets_too() {
    let house = House::new();
    house.functions.on("f", |_| Ok(json!({})));
    let more = json!({"LogConfiguration": {
        "Level": "TRACE",
        "S3LogDestination": {"BucketName": "logs", "BucketOwner": "000000000000", "Prefix": "x"},
    }});
    sent(&house, &function("f"), more, &["secret"]).await;
    let got = house.receiver.got.lock();
    let key = got[0].parameters.as_ref().unwrap()["Key"].as_str().unwrap().to_owned();
    let begin = "x/AWSLogs/000000000000/vendedlogs/pipes/us-east-1/p/2027/01/15/08/";
    assert!(key.starts_with(begin), "{key}");
    let body = String::from_utf8(got[0].body.to_vec()).unwrap();
    assert_eq!(body.lines().count(), 6, "{body}");
    assert!(!body.contains("secret") && body.contains("EXECUTION_SUCCEEDED"));
}
