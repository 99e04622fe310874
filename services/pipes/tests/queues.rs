//! Stories of pipes that read a queue.

#![allow(clippy::unwrap_used)]

mod house;

use haar_pipes_contract::{DeletePipe, StartPipe, StopPipe, UpdatePipe};
use haar_wire::AwsError;
use house::{House, ROLE, SECOND, function};
use serde_json::{Value, json};

fn filter(pattern: Value) -> Value {
    json!({"FilterCriteria": {"Filters": [{"Pattern": pattern.to_string()}]}})
}

fn sorted(mut bodies: Vec<String>) -> Vec<String> {
    bodies.sort();
    bodies
}

#[tokio::test(start_paused = true)]
async fn messages_are_filtered_enriched_transformed_and_sent_on() {
    let house = House::new();
    let queues = house.queues(&["in", "out"]).await;
    house.functions.on("price", |events| {
        let priced =
            |event: &Value| json!({"id": event["order"], "price": 10, "messageId": event["m"]});
        Ok(events.as_array().unwrap().iter().map(priced).collect())
    });
    let more = json!({
        "SourceParameters": filter(json!({"body": {"kind": ["order"]}})),
        "Enrichment": function("price"),
        "EnrichmentParameters": {
            "InputTemplate": "{\"order\": <$.body.id>, \"m\": <$.messageId>}"
        },
        "TargetParameters": {
            "InputTemplate": "{\"order\": <$.id>, \"text\": \"costs <$.price>\", \"via\": <aws.pipes.pipe-name>}"
        },
    });
    let shown = house.pipe("p", &queues[0], &queues[1], more).await;
    assert_eq!(shown["CurrentState"], json!("RUNNING"));
    let order = |id: u32| json!({"kind": "order", "id": id}).to_string();
    house.send("in", &[&order(1), r#"{"kind": "other"}"#, "no json", &order(2)]).await;
    house.pass(5 * SECOND).await;
    let expected: Vec<String> =
        [1, 2].map(|id| format!(r#"{{"order": {id}, "text": "costs 10", "via": "p"}}"#)).into();
    assert_eq!(sorted(house.bodies("out").await), expected);
    assert_eq!(house.count("in").await, 0, "dropped messages are deleted too");
    let enriched: Vec<Value> = house.functions.had("price");
    let orders: usize = enriched.iter().map(|events| events.as_array().unwrap().len()).sum();
    assert_eq!(orders, 2);
    assert_eq!(house.bill.requests("p"), 2, "what was dropped costs nothing");
    assert_eq!(house.metrics.sum("EventCount") as u32, 2);
    assert_eq!(house.metrics.sum("ExecutionFailed") as u32, 0);
}

#[tokio::test(start_paused = true)]
async fn without_templates_the_whole_event_arrives() {
    let house = House::new();
    let queues = house.queues(&["in", "out"]).await;
    house.pipe("p", &queues[0], &queues[1], json!({})).await;
    house.send("in", &["hello"]).await;
    house.pass(5 * SECOND).await;
    let event: Value = serde_json::from_str(&house.bodies("out").await[0]).unwrap();
    assert_eq!((&event["body"], &event["eventSource"]), (&json!("hello"), &json!("aws:sqs")));
    assert_eq!(event["eventSourceARN"], json!(queues[0]));
}

#[tokio::test(start_paused = true)]
async fn an_enrichment_may_leave_out_or_add_events_up_to_what_the_target_takes() {
    let house = House::new();
    let queues = house.queues(&["in", "out"]).await;
    house.functions.on("f", |events| {
        Ok(match events[0]["body"].as_str().unwrap() {
            "none" => json!([]),
            "two" => json!([{"n": 1}, {"n": 2}]),
            "empty" => json!([{}]),
            "text" => json!("a text"),
            _ => json!((0..11).collect::<Vec<_>>()),
        })
    });
    let more = json!({
        "Enrichment": function("f"),
        "SourceParameters": {"SqsQueueParameters": {"BatchSize": 1}},
    });
    house.pipe("p", &queues[0], &queues[1], more).await;
    for (body, expected) in [
        ("none", vec![]),
        ("two", vec![r#"{"n":1}"#, r#"{"n":2}"#]),
        ("empty", vec!["{}"]),
        ("text", vec!["a text"]),
        ("eleven", vec![]),
    ] {
        house.send("in", &[body]).await;
        house.pass(5 * SECOND).await;
        assert_eq!(sorted(house.bodies("out").await), expected, "{body}");
    }
    assert_eq!(house.metrics.sum("TargetStageSkipped") as u32, 1);
    assert_eq!(house.metrics.sum("ExecutionFailed") as u32, 1, "eleven are too many");
    assert_eq!(house.count("in").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_comes_again_and_goes_to_the_queues_own_dead_letters() {
    let house = House::new();
    let queues = house.queues(&["in", "dead"]).await;
    let redrive = json!({"deadLetterTargetArn": queues[1], "maxReceiveCount": 3}).to_string();
    let input = json!({
        "QueueUrl": "http://localhost/000000000000/in",
        "Attributes": {"RedrivePolicy": redrive, "VisibilityTimeout": "10"},
    });
    house.ok::<haar_sqs_contract::SetQueueAttributes>(input).await;
    house.functions.on("f", |_| Err(json!({"errorMessage": "no"})));
    house.pipe("p", &queues[0], &function("f"), json!({})).await;
    house.send("in", &["poison"]).await;
    house.pass(60 * SECOND).await;
    assert_eq!(house.functions.had("f").len(), 3);
    assert_eq!(house.bodies("dead").await, ["poison"]);
    assert_eq!(house.metrics.sum("TargetStageFailed") as u32, 3);
}

#[tokio::test(start_paused = true)]
async fn a_function_reports_which_messages_failed_by_their_ids() {
    let house = House::new();
    let queues = house.queues(&["in"]).await;
    let input = json!({
        "QueueUrl": "http://localhost/000000000000/in",
        "Attributes": {"VisibilityTimeout": "10"},
    });
    house.ok::<haar_sqs_contract::SetQueueAttributes>(input).await;
    house.functions.on("f", |events| {
        let bad = events.as_array().unwrap().iter().filter(|event| event["body"] == "bad");
        let failed: Vec<Value> =
            bad.map(|event| json!({"itemIdentifier": event["messageId"]})).collect();
        Ok(json!({ "batchItemFailures": failed }))
    });
    let more = json!({"SourceParameters": {"SqsQueueParameters": {
        "BatchSize": 10, "MaximumBatchingWindowInSeconds": 2,
    }}});
    house.pipe("p", &queues[0], &function("f"), more).await;
    house.send("in", &["good", "bad", "fine"]).await;
    house.pass(4 * SECOND).await;
    assert_eq!(house.functions.had("f")[0].as_array().unwrap().len(), 3);
    assert_eq!(house.count("in").await, 1);
    house.functions.on("f", |_| Ok(json!("whatever")));
    house.pass(20 * SECOND).await;
    assert_eq!(house.functions.had("f")[1][0]["body"], json!("bad"));
    assert_eq!(house.count("in").await, 0);
    assert_eq!(house.metrics.sum("ExecutionPartiallyFailed") as u32, 1);
}

#[tokio::test(start_paused = true)]
async fn being_throttled_uses_up_no_receives() {
    let house = House::new();
    let queues = house.queues(&["in"]).await;
    house.functions.on("f", |_| Ok(json!({})));
    let refused = || AwsError::new("TooManyRequestsException", 429, "Rate Exceeded.");
    house.functions.refusals.lock().extend([refused(), refused(), refused()]);
    house.pipe("p", &queues[0], &function("f"), json!({})).await;
    house.send("in", &["m"]).await;
    house.pass(20 * SECOND).await;
    let event = house.functions.had("f")[0][0].clone();
    assert_eq!(event["attributes"]["ApproximateReceiveCount"], json!("1"));
    assert_eq!(house.metrics.sum("ExecutionThrottled") as u32, 3);
    assert_eq!(house.bill.requests("p"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_keeps_its_order_into_another() {
    let house = House::new();
    let queues = house.queues(&["in.fifo", "out.fifo"]).await;
    let more = json!({"TargetParameters": {
        "InputTemplate": "<$.body.n>",
        "SqsQueueParameters": {
            "MessageGroupId": "$.attributes.MessageGroupId",
            "MessageDeduplicationId": "$.messageId",
        },
    }});
    house.pipe("p", &queues[0], &queues[1], more).await;
    for n in 0..6 {
        let input = json!({
            "QueueUrl": "http://localhost/000000000000/in.fifo",
            "MessageBody": json!({ "n": n }).to_string(),
            "MessageGroupId": if n % 2 == 0 { "even" } else { "odd" },
            "MessageDeduplicationId": n.to_string(),
        });
        house.ok::<haar_sqs_contract::SendMessage>(input).await;
    }
    house.pass(5 * SECOND).await;
    let messages = house.messages("out.fifo").await;
    let of_group = |group: &str| -> Vec<String> {
        let of = messages.iter().filter(|one| one["Attributes"]["MessageGroupId"] == group);
        of.map(|one| one["Body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (of_group("even"), of_group("odd")),
        (
            vec!["0".to_owned(), "2".to_owned(), "4".to_owned()],
            vec!["1".to_owned(), "3".to_owned(), "5".to_owned()]
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_stopped_pipe_takes_nothing_and_a_started_one_goes_on() {
    let house = House::new();
    let queues = house.queues(&["in", "out", "other"]).await;
    let template = json!({"TargetParameters": {"InputTemplate": "<$.body>"}});
    house.pipe("p", &queues[0], &queues[1], template).await;
    house.ok::<StopPipe>(json!({"Name": "p"})).await;
    house.pass(SECOND).await;
    house.send("in", &[r#"["a"]"#]).await;
    house.pass(60 * SECOND).await;
    assert_eq!(house.count("out").await, 0);
    house.ok::<StartPipe>(json!({"Name": "p"})).await;
    house.pass(5 * SECOND).await;
    assert_eq!(house.bodies("out").await, [r#"["a"]"#]);
    // an update takes the poller along
    let input = json!({"Name": "p", "RoleArn": ROLE, "Target": queues[2]});
    house.ok::<UpdatePipe>(input).await;
    house.pass(SECOND).await;
    house.send("in", &[r#"["b"]"#]).await;
    house.pass(5 * SECOND).await;
    assert_eq!(house.bodies("other").await, [r#"["b"]"#]);
    house.ok::<DeletePipe>(json!({"Name": "p"})).await;
    house.pass(SECOND).await;
    house.send("in", &["c"]).await;
    house.pass(60 * SECOND).await;
    assert_eq!((house.count("in").await, house.count("other").await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_runs_when_its_pipe_stops_runs_to_its_end() {
    let house = House::new();
    let queues = house.queues(&["in"]).await;
    house.functions.on("f", |_| Ok(json!({})));
    let held = house.functions.hold("f");
    house.pipe("p", &queues[0], &function("f"), json!({})).await;
    house.send("in", &["m"]).await;
    house.pass(5 * SECOND).await;
    house.ok::<StopPipe>(json!({"Name": "p"})).await;
    house.pass(10 * SECOND).await;
    assert_eq!(house.described("p").await["CurrentState"], json!("STOPPING"));
    held.notify_one();
    house.pass(SECOND).await;
    assert_eq!(house.described("p").await["CurrentState"], json!("STOPPED"));
    assert_eq!((house.count("in").await, house.functions.had("f").len()), (0, 1));
    assert_eq!(house.metrics.sum("ExecutionFailed") as u32, 0);
}

#[tokio::test(start_paused = true)]
async fn an_execution_ends_after_five_minutes_and_a_restart_brings_its_message_back() {
    let house = House::new();
    let queues = house.queues(&["in"]).await;
    let input = json!({
        "QueueUrl": "http://localhost/000000000000/in",
        "Attributes": {"VisibilityTimeout": "400"},
    });
    house.ok::<haar_sqs_contract::SetQueueAttributes>(input).await;
    house.functions.on("f", |_| Ok(json!({})));
    house.functions.stuck.lock().push("f".to_owned());
    house.pipe("p", &queues[0], &function("f"), json!({})).await;
    house.send("in", &["m"]).await;
    house.pass(310 * SECOND).await;
    assert_eq!(house.metrics.sum("ExecutionTimeout") as u32, 1);
    house.pass(100 * SECOND).await;
    assert_eq!(house.functions.had("f").len(), 2);
    // killed in the middle of the second
    let house = house.again().await;
    house.functions.stuck.lock().clear();
    house.pass(400 * SECOND).await;
    assert_eq!(house.functions.had("f").len(), 3);
    assert_eq!(house.count("in").await, 0);
    assert_eq!(house.described("p").await["CurrentState"], json!("RUNNING"));
}

#[tokio::test(start_paused = true)]
async fn a_pipe_whose_role_is_gone_keeps_its_messages() {
    let house = House::new();
    let queues = house.queues(&["in", "out"]).await;
    let more = json!({"RoleArn": format!("{ROLE}/gone"), "DesiredState": "STOPPED"});
    let shown = house.pipe("p", &queues[0], &queues[1], more).await;
    assert_eq!(shown["CurrentState"], json!("CREATE_FAILED"));
    house.send("in", &["m"]).await;
    house.pass(60 * SECOND).await;
    assert_eq!(house.count("in").await, 1);
}
