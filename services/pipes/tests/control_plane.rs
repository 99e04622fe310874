//! The operations, through the room's public face.

#![allow(clippy::unwrap_used)]

mod house;

use haar_pipes_contract::{
    CreatePipe, DeletePipe, DescribePipe, ListPipes, ListTagsForResource, StartPipe, StopPipe,
    TagResource, UntagResource, UpdatePipe,
};
use house::{House, ROLE, arn, function, pipe};
use serde_json::{Value, json};

fn name(name: &str) -> Value {
    json!({ "Name": name })
}

#[tokio::test(start_paused = true)]
async fn a_pipe_is_created_shown_stopped_started_and_deleted() {
    let house = House::new();
    let queues = house.queues(&["in", "out"]).await;
    let input = pipe("p", &queues[0], &queues[1], json!({"Description": "d", "Tags": {"k": "v"}}));
    let made = house.ok::<CreatePipe>(input.clone()).await;
    assert_eq!(made["Arn"], json!(arn("pipes", "pipe/p")));
    assert_eq!(
        (&made["CurrentState"], &made["DesiredState"]),
        (&json!("CREATING"), &json!("RUNNING"))
    );
    let again = house.call::<CreatePipe>(input).await.unwrap_err();
    assert_eq!(again, ("ConflictException".to_owned(), "Pipe p already exists.".to_owned()));
    house.pass(house::SECOND).await;
    let shown = house.described("p").await;
    assert_eq!(shown["CurrentState"], json!("RUNNING"));
    assert_eq!(shown["SourceParameters"], json!({"SqsQueueParameters": {"BatchSize": 10}}));
    assert_eq!((&shown["RoleArn"], &shown["Tags"]), (&json!(ROLE), &json!({"k": "v"})));
    assert_eq!(shown["CreationTime"], shown["LastModifiedTime"]);

    assert_eq!(house.ok::<StopPipe>(name("p")).await["CurrentState"], json!("STOPPING"));
    house.pass(house::SECOND).await;
    let shown = house.described("p").await;
    assert_eq!(
        (&shown["CurrentState"], &shown["DesiredState"]),
        (&json!("STOPPED"), &json!("STOPPED"))
    );
    assert_eq!(house.ok::<StopPipe>(name("p")).await["CurrentState"], json!("STOPPED"));
    assert_eq!(house.ok::<StartPipe>(name("p")).await["CurrentState"], json!("STARTING"));
    let busy = house.call::<UpdatePipe>(json!({"Name": "p", "RoleArn": ROLE})).await.unwrap_err();
    assert_eq!(busy, ("ConflictException".to_owned(), "Pipe p is in state STARTING.".to_owned()));
    house.pass(house::SECOND).await;
    assert_eq!(house.described("p").await["CurrentState"], json!("RUNNING"));

    let deleted = house.ok::<DeletePipe>(name("p")).await;
    assert_eq!(
        (&deleted["CurrentState"], &deleted["DesiredState"]),
        (&json!("DELETING"), &json!("DELETED"))
    );
    house.pass(house::SECOND).await;
    let gone = ("NotFoundException".to_owned(), "Pipe p does not exist.".to_owned());
    assert_eq!(house.call::<DescribePipe>(name("p")).await.unwrap_err(), gone);
    assert_eq!(house.call::<StopPipe>(name("p")).await.unwrap_err(), gone);
    assert_eq!(house.call::<DeletePipe>(name("p")).await.unwrap_err(), gone);
}

#[tokio::test(start_paused = true)]
async fn a_pipe_whose_source_is_not_there_says_why_and_can_be_mended() {
    let house = House::new();
    house.queues(&["out"]).await;
    let shown = house.pipe("p", &arn("sqs", "in"), &arn("sqs", "out"), json!({})).await;
    assert_eq!(shown["CurrentState"], json!("CREATE_FAILED"));
    let reason = shown["StateReason"].as_str().unwrap();
    let expected = "Input parameter is invalid from the request due to : Error occurred while \
                    ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue.";
    assert!(reason.starts_with(expected), "{reason}");
    house.queues(&["in"]).await;
    house.ok::<StartPipe>(name("p")).await;
    house.pass(house::SECOND).await;
    let shown = house.described("p").await;
    let running = (&json!("RUNNING"), &json!("User initiated"));
    assert_eq!((&shown["CurrentState"], &shown["StateReason"]), running);
    let unset = (&json!({}), &json!({}), &json!({}));
    assert_eq!((&shown["EnrichmentParameters"], &shown["TargetParameters"], &shown["Tags"]), unset);

    let gone = format!("{ROLE}/gone");
    let more = json!({ "RoleArn": gone });
    let shown = house.pipe("q", &arn("sqs", "in"), &arn("sqs", "out"), more).await;
    assert_eq!(shown["StateReason"], json!(format!("There is no role {gone}.")));
    let stream = arn("kinesis", "stream/none");
    let more =
        json!({"SourceParameters": {"KinesisStreamParameters": {"StartingPosition": "LATEST"}}});
    let shown = house.pipe("r", &stream, &arn("sqs", "out"), more).await;
    assert!(
        shown["StateReason"].as_str().unwrap().ends_with(&format!("Stream not found: {stream}"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_no_pipe_may_be_is_refused() {
    let house = House::new();
    let (queue, to) = (arn("sqs", "in"), function("f"));
    let refused = async |source: &str, target: &str, more: Value| {
        house.call::<CreatePipe>(pipe("p", source, target, more)).await.unwrap_err()
    };
    for (source, target, more, code, words) in [
        (&*arn("kafka", "cluster/c"), &*to, json!({}), "NotImplemented", "Kafka"),
        (&queue, &arn("states", "stateMachine:s"), json!({}), "NotImplemented", "state machines"),
        (
            &queue,
            &to,
            json!({"Enrichment": arn("states", "stateMachine:s")}),
            "NotImplemented",
            "enrichments",
        ),
        (&arn("s3", "b"), &to, json!({}), "ValidationException", r#""Name":"Source""#),
        (&queue, &arn("sns", "t.fifo"), json!({}), "ValidationException", "SNS FIFO"),
        (
            &queue,
            &arn("kinesis", "stream/s"),
            json!({}),
            "ValidationException",
            "TargetParameters.KinesisStreamParameters",
        ),
        (
            &arn("kinesis", "stream/s"),
            &to,
            json!({}),
            "ValidationException",
            "SourceParameters.KinesisStreamParameters",
        ),
        (
            &queue,
            &arn("ecs", "cluster/c"),
            json!({
                "SourceParameters": {"SqsQueueParameters": {"BatchSize": 2}},
                "TargetParameters": {"EcsTaskParameters": {"TaskDefinitionArn": arn("ecs", "task-definition/t:1")}},
            }),
            "ValidationException",
            "larger than",
        ),
        (
            &queue,
            &to,
            json!({"LogConfiguration": {"Level": "INFO", "FirehoseLogDestination": {
                "DeliveryStreamArn": arn("firehose", "deliverystream/d"),
            }}}),
            "NotImplemented",
            "Firehose",
        ),
        (
            &queue,
            &to,
            json!({"LogConfiguration": {"Level": "INFO"}}),
            "ValidationException",
            "log destination",
        ),
        (&queue, &to, json!({"Tags": {"aws:x": "y"}}), "ValidationException", "aws:"),
    ] {
        let (got, message) = refused(source, target, more).await;
        assert_eq!(got, code, "{message}");
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(house.ok::<ListPipes>(json!({})).await["Pipes"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn an_update_replaces_what_it_names_and_keeps_the_rest() {
    let house = House::new();
    let queues = house.queues(&["in", "out", "other"]).await;
    let more = json!({
        "Description": "d",
        "Enrichment": function("f"),
        "SourceParameters": {
            "FilterCriteria": {"Filters": [{"Pattern": "{\"body\": {\"a\": [1]}}"}]},
            "SqsQueueParameters": {"BatchSize": 5, "MaximumBatchingWindowInSeconds": 3},
        },
        "TargetParameters": {"InputTemplate": "<$.body>"},
    });
    house.pipe("p", &queues[0], &queues[1], more).await;
    let input = json!({
        "Name": "p", "RoleArn": ROLE, "Target": queues[2], "Enrichment": "",
        "DesiredState": "STOPPED",
        "SourceParameters": {"SqsQueueParameters": {"BatchSize": 7}},
    });
    let updated = house.ok::<UpdatePipe>(input).await;
    assert_eq!(updated["CurrentState"], json!("UPDATING"));
    house.pass(house::SECOND).await;
    let shown = house.described("p").await;
    assert_eq!((&shown["CurrentState"], &shown["Target"]), (&json!("STOPPED"), &json!(queues[2])));
    assert_eq!((&shown["Enrichment"], &shown["Description"]), (&Value::Null, &json!("d")));
    assert_eq!(shown["SourceParameters"]["SqsQueueParameters"], json!({"BatchSize": 7}));
    assert!(shown["SourceParameters"]["FilterCriteria"].is_object());
    assert_eq!(shown["TargetParameters"], json!({"InputTemplate": "<$.body>"}));
    let bad = json!({"Name": "p", "RoleArn": ROLE, "Target": arn("sns", "t.fifo")});
    assert_eq!(house.call::<UpdatePipe>(bad).await.unwrap_err().0, "ValidationException");
    assert_eq!(house.described("p").await["CurrentState"], json!("STOPPED"));
}

#[tokio::test(start_paused = true)]
async fn a_pipe_whose_update_fails_goes_on_as_it_was() {
    let house = House::new();
    let queues = house.queues(&["in", "out", "other"]).await;
    let more = json!({"Description": "d", "TargetParameters": {"InputTemplate": "<$.body>"}});
    house.pipe("p", &queues[0], &queues[1], more).await;
    let gone = format!("{ROLE}/gone");
    let input = json!({"Name": "p", "RoleArn": gone, "Target": queues[2], "Description": "new"});
    let updating = house.ok::<UpdatePipe>(input.clone()).await;
    assert_eq!(updating["CurrentState"], json!("UPDATING"));
    house.pass(house::SECOND).await;
    let shown = house.described("p").await;
    assert_eq!(shown["CurrentState"], json!("UPDATE_FAILED"));
    assert_eq!(shown["StateReason"], json!(format!("There is no role {gone}.")));
    assert_eq!(
        (&shown["RoleArn"], &shown["Target"], &shown["Description"]),
        (&json!(ROLE), &json!(queues[1]), &json!("d"))
    );
    house.send("in", &[r#"["a"]"#]).await;
    house.pass(5 * house::SECOND).await;
    assert_eq!(house.bodies("out").await, [r#"["a"]"#]);

    house.ok::<StopPipe>(name("p")).await;
    house.pass(house::SECOND).await;
    house.ok::<UpdatePipe>(json!({"Name": "p", "RoleArn": gone, "DesiredState": "RUNNING"})).await;
    house.pass(house::SECOND).await;
    assert_eq!(house.described("p").await["CurrentState"], json!("UPDATE_FAILED"));
    assert_eq!(house.count("in").await, 0);
    let before = house.count("out").await;
    house.send("in", &[r#"["c"]"#]).await;
    house.pass(60 * house::SECOND).await;
    assert_eq!(house.count("in").await, 1, "nobody reads");
    assert_eq!(house.count("out").await, before, "it was stopped, and stays so");
    house.ok::<StartPipe>(name("p")).await;
    house.pass(5 * house::SECOND).await;
    assert_eq!(house.count("out").await, before + 1);

    house.ok::<UpdatePipe>(input).await;
    house.pass(house::SECOND).await;
    let house = house.again().await;
    assert_eq!(house.described("p").await["CurrentState"], json!("UPDATE_FAILED"));
    house.send("in", &[r#"["b"]"#]).await;
    house.pass(5 * house::SECOND).await;
    assert_eq!(house.count("out").await, before + 2, "also behind a restart");
}

#[tokio::test(start_paused = true)]
async fn pipes_are_listed_by_name_in_pages_and_by_what_they_are() {
    let house = House::new();
    let queues = house.queues(&["in", "out"]).await;
    for (name, state) in [("b", "RUNNING"), ("a", "STOPPED"), ("c", "RUNNING")] {
        house.pipe(name, &queues[0], &queues[1], json!({ "DesiredState": state })).await;
    }
    let listed = async |input: Value| {
        let page = house.ok::<ListPipes>(input).await;
        let names = page["Pipes"].as_array().unwrap().iter();
        let names = names.map(|one| one["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (names, page["NextToken"].clone())
    };
    let (names, token) = listed(json!({"Limit": 2})).await;
    assert_eq!(names, ["a", "b"]);
    let (names, token) = listed(json!({"Limit": 2, "NextToken": token})).await;
    assert_eq!((names, token), (vec!["c".to_owned()], Value::Null));
    assert_eq!(listed(json!({"CurrentState": "STOPPED"})).await.0, ["a"]);
    assert_eq!(listed(json!({"DesiredState": "RUNNING", "NamePrefix": "c"})).await.0, ["c"]);
    assert_eq!(listed(json!({"SourcePrefix": queues[0]})).await.0.len(), 3);
    assert!(listed(json!({"TargetPrefix": "arn:aws:lambda"})).await.0.is_empty());
    let bad = house.call::<ListPipes>(json!({"NextToken": "x"})).await.unwrap_err();
    assert_eq!(bad.0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn tags_come_and_go() {
    let house = House::new();
    let queues = house.queues(&["in", "out"]).await;
    house.pipe("p", &queues[0], &queues[1], json!({"Tags": {"a": "1"}})).await;
    let pipe_arn = arn("pipes", "pipe/p");
    house.ok::<TagResource>(json!({"resourceArn": pipe_arn, "tags": {"b": "2", "a": "3"}})).await;
    house.ok::<UntagResource>(json!({"resourceArn": pipe_arn, "tagKeys": ["b"]})).await;
    let told = house.ok::<ListTagsForResource>(json!({ "resourceArn": pipe_arn })).await;
    assert_eq!(told["tags"], json!({"a": "3"}));
    let other = json!({"resourceArn": arn("pipes", "pipe/none")});
    assert_eq!(house.call::<ListTagsForResource>(other).await.unwrap_err().0, "NotFoundException");
}
