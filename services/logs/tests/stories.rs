//! The room's operations through a kernel, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_logs_contract::model::*;
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_types::{AccountId, Region, Timestamp};
use house::{House, Refused};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn group_with_stream(house: &House) {
    house.ok::<CreateLogGroup>(json!({ "logGroupName": "/app" })).await;
    let stream = json!({ "logGroupName": "/app", "logStreamName": "one" });
    house.ok::<CreateLogStream>(stream).await;
}

async fn put(house: &House, stream: &str, messages: &[(i64, &str)]) -> Result<Value, Refused> {
    let events: Vec<Value> = messages
        .iter()
        .map(|(at, message)| json!({ "timestamp": at, "message": message }))
        .collect();
    let input = json!({ "logGroupName": "/app", "logStreamName": stream, "logEvents": events });
    house.call::<PutLogEvents>(input).await
}

async fn messages(house: &House, input: Value) -> Vec<String> {
    let page = house.ok::<FilterLogEvents>(input).await;
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

fn sink(house: &House, group: &str, stream: &str, message: &str) {
    let sink = house.doors.peeks.expect::<dyn LogSink>();
    let line = LogLine { timestamp: Timestamp(house.now()), message: message.to_owned() };
    sink.append(&AccountId::default(), &Region::default(), group, stream, vec![line]);
}

#[tokio::test(start_paused = true)]
async fn a_group_is_there_as_soon_as_a_line_waits_for_it() {
    let house = House::new();
    let has_group = |group: &str| {
        let sink = house.doors.peeks.expect::<dyn LogSink>();
        sink.has_group(&AccountId::default(), &Region::default(), group)
    };
    assert!(!has_group("/app"));
    sink(&house, "/app", "one", "a");
    assert!(has_group("/app") && !has_group("/ap") && !has_group("/app/x"));
    assert_eq!(messages(&house, json!({ "logGroupName": "/app" })).await, ["a"]);
    assert!(has_group("/app"));
    house.ok::<DeleteLogGroup>(json!({ "logGroupName": "/app" })).await;
    assert!(!has_group("/app"));
}

#[tokio::test(start_paused = true)]
async fn names_and_tags_of_awss_own_are_refused() {
    let house = House::new();
    let invalid = |text: &str| Err(("InvalidParameterException".to_owned(), text.to_owned()));
    let reserved = invalid("Log groups starting with AWS/ are reserved for AWS.");
    for name in ["aws/lambda/f", "AWS/x"] {
        let made = house.call::<CreateLogGroup>(json!({ "logGroupName": name })).await;
        assert_eq!(made, reserved);
    }
    let tags = json!({ "aws:team": "a" });
    let with_tags = json!({ "logGroupName": "/aws/x", "tags": tags });
    let external = invalid("aws: prefixed tag key names are not allowed for external use.");
    assert_eq!(house.call::<CreateLogGroup>(with_tags).await, external);
    house.ok::<CreateLogGroup>(json!({ "logGroupName": "/aws/x" })).await;
    let by_name = json!({ "logGroupName": "/aws/x", "tags": { "AWS:team": "a" } });
    assert_eq!(house.call::<TagLogGroup>(by_name).await, external);
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/x";
    let by_arn = json!({ "resourceArn": arn, "tags": tags });
    assert_eq!(house.call::<TagResource>(by_arn).await, external);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_is_read_back_page_by_page() {
    let house = House::new();
    group_with_stream(&house).await;
    let now = house.now();
    put(&house, "one", &[(now, "a"), (now + 1, "b"), (now + 2, "c")]).await.unwrap();

    let mut input = json!({
        "logGroupName": "/app", "logStreamName": "one", "startFromHead": true, "limit": 2,
    });
    let first = house.ok::<GetLogEvents>(input.clone()).await;
    assert_eq!(first["events"][1]["message"], "b");
    assert_eq!(first["events"][1]["ingestionTime"], now);
    input["nextToken"] = first["nextForwardToken"].clone();
    let second = house.ok::<GetLogEvents>(input.clone()).await;
    assert_eq!(second["events"].as_array().unwrap().len(), 1);
    input["nextToken"] = second["nextForwardToken"].clone();
    let end = house.ok::<GetLogEvents>(input.clone()).await;
    assert_eq!(end["nextForwardToken"], input["nextToken"]);
    input["nextToken"] = first["nextBackwardToken"].clone();
    let start = house.ok::<GetLogEvents>(input.clone()).await;
    assert_eq!(start["nextBackwardToken"], input["nextToken"]);
    input["nextToken"] = json!("f/junk");
    let (code, _) = house.call::<GetLogEvents>(input).await.unwrap_err();
    assert_eq!(code, "InvalidParameterException");
}

#[tokio::test(start_paused = true)]
async fn streams_are_filtered_together() {
    let house = House::new();
    group_with_stream(&house).await;
    let two = json!({ "logGroupName": "/app", "logStreamName": "two" });
    house.ok::<CreateLogStream>(two).await;
    let now = house.now();
    put(&house, "one", &[(now, "ERROR 1"), (now + 2, "ERROR 3")]).await.unwrap();
    put(&house, "two", &[(now + 1, "ERROR 2"), (now + 3, "fine")]).await.unwrap();

    let found = messages(&house, json!({ "logGroupName": "/app", "filterPattern": "ERROR" })).await;
    assert_eq!(found, ["ERROR 1", "ERROR 2", "ERROR 3"]);
    let page = json!({ "logGroupName": "/app", "filterPattern": "ERROR", "limit": 2 });
    let page = house.ok::<FilterLogEvents>(page).await;
    let next = json!({
        "logGroupName": "/app", "filterPattern": "ERROR", "nextToken": page["nextToken"],
    });
    assert_eq!(messages(&house, next).await, ["ERROR 3"]);
    let by_prefix = json!({
        "logGroupIdentifier": "arn:aws:logs:us-east-1:000000000000:log-group:/app",
        "logStreamNamePrefix": "tw", "startTime": now + 2,
    });
    assert_eq!(messages(&house, by_prefix).await, ["fine"]);
    let id = page["events"][0]["eventId"].as_str().unwrap();
    assert_eq!(id.len(), 56);
    let bad = json!({ "logGroupName": "/app", "filterPattern": "{ $.a" });
    let (code, message) = house.call::<FilterLogEvents>(bad).await.unwrap_err();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidParameterException", "Invalid filter pattern")
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_refused_or_taken_in_part() {
    let house = House::new();
    group_with_stream(&house).await;
    let now = house.now();
    let (code, message) = put(&house, "one", &[(now, "b"), (now - 1, "a")]).await.unwrap_err();
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("chronological"), "{message}");
    let old = now - 15 * 24 * 3600 * 1000;
    let answer = put(&house, "one", &[(old, "old"), (now, "new")]).await.unwrap();
    assert_eq!(answer["rejectedLogEventsInfo"], json!({ "tooOldLogEventEndIndex": 1 }));
    assert_eq!(messages(&house, json!({ "logGroupName": "/app" })).await, ["new"]);
    let (code, message) = put(&house, "none", &[(now, "x")]).await.unwrap_err();
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "The specified log stream does not exist.");
}

#[tokio::test(start_paused = true)]
async fn groups_are_made_named_tagged_and_deleted() {
    let house = House::new();
    house
        .ok::<CreateLogGroup>(json!({
            "logGroupName": "/app", "tags": { "team": "x" }, "deletionProtectionEnabled": true,
        }))
        .await;
    let again = house.call::<CreateLogGroup>(json!({ "logGroupName": "/app" })).await;
    assert_eq!(again.unwrap_err().0, "ResourceAlreadyExistsException");

    let groups = house.ok::<DescribeLogGroups>(json!({ "logGroupNamePrefix": "/a" })).await;
    let group = &groups["logGroups"][0];
    assert_eq!(group["arn"], "arn:aws:logs:us-east-1:000000000000:log-group:/app:*");
    assert_eq!(group["storedBytes"], 0);
    let arn = json!({ "resourceArn": group["logGroupArn"] });
    let tags = json!({ "resourceArn": group["logGroupArn"], "tags": { "env": "y" } });
    house.ok::<TagResource>(tags).await;
    let untag = json!({ "resourceArn": group["logGroupArn"], "tagKeys": ["team"] });
    house.ok::<UntagResource>(untag).await;
    let tags = house.ok::<ListTagsForResource>(arn).await;
    assert_eq!(tags["tags"], json!({ "env": "y" }));

    let named = json!({ "logGroupName": "/app" });
    let protected = house.call::<DeleteLogGroup>(named.clone()).await.unwrap_err();
    assert_eq!(protected.0, "ValidationException");
    let open = json!({ "logGroupIdentifier": "/app", "deletionProtectionEnabled": false });
    house.ok::<PutLogGroupDeletionProtection>(open).await;
    house.ok::<DeleteLogGroup>(named.clone()).await;
    let gone = house.call::<DeleteLogGroup>(named).await.unwrap_err();
    assert_eq!(gone.1, "The specified log group does not exist.");
}

#[tokio::test(start_paused = true)]
async fn groups_are_listed_page_by_page() {
    let house = House::new();
    for name in ["a", "b", "c", "d", "e"] {
        house.ok::<CreateLogGroup>(json!({ "logGroupName": name })).await;
    }
    let (mut seen, mut input) = (Vec::new(), json!({ "limit": 2 }));
    loop {
        let page = house.ok::<DescribeLogGroups>(input.clone()).await;
        let groups = page["logGroups"].as_array().unwrap().iter();
        seen.extend(groups.map(|group| group["logGroupName"].as_str().unwrap().to_owned()));
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    let listed = house.ok::<ListLogGroups>(json!({ "logGroupNamePattern": "^ccc|ddd" })).await;
    assert_eq!(listed["logGroups"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn streams_are_ordered_by_name_or_by_their_last_event() {
    let house = House::new();
    group_with_stream(&house).await;
    for name in ["two", "three"] {
        let input = json!({ "logGroupName": "/app", "logStreamName": name });
        house.ok::<CreateLogStream>(input).await;
    }
    let now = house.now();
    put(&house, "three", &[(now + 5, "x")]).await.unwrap();
    put(&house, "one", &[(now + 9, "x")]).await.unwrap();
    let names = |page: &Value| -> Vec<String> {
        let streams = page["logStreams"].as_array().unwrap().iter();
        streams.map(|stream| stream["logStreamName"].as_str().unwrap().to_owned()).collect()
    };
    let by_name = house.ok::<DescribeLogStreams>(json!({ "logGroupName": "/app" })).await;
    assert_eq!(names(&by_name), ["one", "three", "two"]);
    assert_eq!(by_name["logStreams"][0]["lastEventTimestamp"], now + 9);
    assert!(by_name["logStreams"][0]["uploadSequenceToken"].is_string());
    assert_eq!(by_name["logStreams"][2]["uploadSequenceToken"], Value::Null); // it has no event
    let mut input = json!({
        "logGroupName": "/app", "orderBy": "LastEventTime", "descending": true, "limit": 1,
    });
    let newest = house.ok::<DescribeLogStreams>(input.clone()).await;
    assert_eq!(names(&newest), ["one"]);
    input["nextToken"] = newest["nextToken"].clone();
    assert_eq!(names(&house.ok::<DescribeLogStreams>(input).await), ["three"]);
}

#[tokio::test(start_paused = true)]
async fn a_sinks_lines_are_there_at_once_with_their_group_and_stream() {
    let house = House::new();
    sink(&house, "/aws/lambda/f", "2027/01/15/[$LATEST]abc", "START");
    let streams = house.ok::<DescribeLogStreams>(json!({ "logGroupName": "/aws/lambda/f" }));
    let missing = streams.await;
    assert_eq!(missing["logStreams"][0]["logStreamName"], "2027/01/15/[$LATEST]abc");
    sink(&house, "/aws/lambda/f", "2027/01/15/[$LATEST]abc", "END");
    let found = messages(&house, json!({ "logGroupName": "/aws/lambda/f" })).await;
    assert_eq!(found, ["START", "END"]);
}

#[tokio::test(start_paused = true)]
async fn retention_removes_events_after_days_and_leaves_the_rest() {
    let house = House::new();
    group_with_stream(&house).await;
    let policy = json!({ "logGroupName": "/app", "retentionInDays": 3 });
    house.ok::<PutRetentionPolicy>(policy).await;
    put(&house, "one", &[(house.now(), "first")]).await.unwrap();
    house.pass(2 * DAY).await;
    put(&house, "one", &[(house.now(), "second")]).await.unwrap();
    let all = json!({ "logGroupName": "/app" });
    assert_eq!(messages(&house, all.clone()).await, ["first", "second"]);

    house.pass(2 * DAY).await;
    assert_eq!(messages(&house, all.clone()).await, ["second"]);
    let streams = house.ok::<DescribeLogStreams>(all.clone()).await;
    let first = streams["logStreams"][0]["firstEventTimestamp"].as_i64().unwrap();
    assert_eq!(first, house.now() - i64::try_from((2 * DAY).as_millis()).unwrap());
    house.pass(2 * DAY).await;
    assert_eq!(messages(&house, all.clone()).await, Vec::<String>::new());

    let bad = json!({ "logGroupName": "/app", "retentionInDays": 2 });
    let (_, message) = house.call::<PutRetentionPolicy>(bad).await.unwrap_err();
    assert!(message.contains("[1, 3, 5, 7, 14"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_group_of_an_old_name_starts_empty_and_the_old_events_go() {
    let house = House::new();
    group_with_stream(&house).await;
    put(&house, "one", &[(house.now(), "old")]).await.unwrap();
    let named = json!({ "logGroupName": "/app" });
    house.ok::<DeleteLogGroup>(named.clone()).await;
    group_with_stream(&house).await;
    assert_eq!(messages(&house, named).await, Vec::<String>::new());
    house.pass(Duration::from_secs(60)).await;
    let left = house.doors.kv.keyspace("logs.event").unwrap().all().count();
    assert_eq!(left, 0);
}

#[tokio::test(start_paused = true)]
async fn a_live_tail_shows_what_arrives_and_ends_after_three_hours() {
    let house = House::new();
    group_with_stream(&house).await;
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/app";
    let input = StartLiveTailRequest {
        log_group_identifiers: vec![arn.to_owned()],
        log_event_filter_pattern: Some("ERROR".to_owned()),
        ..StartLiveTailRequest::default()
    };
    let mut events = house.raw::<StartLiveTail>(input).await.unwrap().response_stream;
    let first = events.next().await.unwrap().unwrap();
    assert!(matches!(first, StartLiveTailResponseStream::SessionStart(_)));
    put(&house, "one", &[(house.now(), "ERROR 1"), (house.now(), "fine")]).await.unwrap();
    let update = events.next().await.unwrap().unwrap();
    let StartLiveTailResponseStream::SessionUpdate(update) = update else { panic!("an update") };
    let shown = update.session_results.unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].message.as_deref(), Some("ERROR 1"));
    assert_eq!(shown[0].log_group_identifier.as_deref(), Some("000000000000:/app"));

    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert_eq!(last.unwrap().unwrap_err().name(), "SessionTimeoutException");
}

#[tokio::test(start_paused = true)]
async fn patterns_are_tried_on_samples() {
    let house = House::new();
    let input = json!({
        "filterPattern": "[ip, ..., status = 4*, size]",
        "logEventMessages": ["1.2.3.4 - GET 404 12", "1.2.3.4 - GET 200 12"],
    });
    let answer = house.ok::<TestMetricFilter>(input).await;
    assert_eq!(answer["matches"].as_array().unwrap().len(), 1);
    assert_eq!(answer["matches"][0]["eventNumber"], 1);
    assert_eq!(answer["matches"][0]["extractedValues"]["$status"], "404");
}

/// Values of metrics as they are recorded: metric, dimensions, value.
#[derive(Default)]
struct Seen(parking_lot::Mutex<Vec<(String, String, f64)>>);

impl MetricSink for Seen {
    fn record(&self, sample: Sample<'_>) {
        let dimensions = format!("{:?}", sample.dimensions);
        let metric = format!("{}/{}/{}", sample.namespace, sample.metric, sample.unit);
        self.0.lock().push((metric, dimensions, sample.value));
    }
}

#[tokio::test(start_paused = true)]
async fn metric_filters_make_values_of_what_they_match() {
    let house = House::new();
    let seen = Arc::new(Seen::default());
    house.doors.peeks.offer::<dyn MetricSink>(Arc::clone(&seen) as Arc<dyn MetricSink>);
    group_with_stream(&house).await;
    let filter = |name: &str, pattern: &str, transformation: Value| {
        json!({ "logGroupName": "/app", "filterName": name, "filterPattern": pattern,
            "metricTransformations": [transformation] })
    };
    let count = json!({ "metricName": "errors", "metricNamespace": "app", "metricValue": "1",
        "defaultValue": 0.0 });
    house.ok::<PutMetricFilter>(filter("count", "ERROR", count)).await;
    let latency = json!({ "metricName": "latency", "metricNamespace": "app",
        "metricValue": "$.ms", "unit": "Milliseconds", "dimensions": { "path": "$.path" } });
    house.ok::<PutMetricFilter>(filter("latency", "{ $.path = * }", latency.clone())).await;
    let mut both = latency;
    both["defaultValue"] = json!(1.0);
    let refused = house.call::<PutMetricFilter>(filter("x", "", both)).await.unwrap_err();
    assert_eq!(refused.0, "InvalidParameterException");

    let now = house.now();
    let lines = [(now, "ERROR here"), (now, r#"{"path":"/a","ms":12.5}"#), (now, r#"{"path":1}"#)];
    put(&house, "one", &lines).await.unwrap();
    put(&house, "one", &[(now, "fine")]).await.unwrap();
    let seen = std::mem::take(&mut *seen.0.lock());
    let expected = [
        ("app/errors/None", "[]", 1.0),
        ("app/latency/Milliseconds", r#"[("path", "/a")]"#, 12.5),
        ("app/errors/None", "[]", 0.0),
    ];
    let expected = expected.map(|(metric, of, value)| (metric.to_owned(), of.to_owned(), value));
    assert_eq!(seen, expected);

    let page = house.ok::<DescribeMetricFilters>(json!({ "limit": 1 })).await;
    assert_eq!(page["metricFilters"][0]["filterName"], "count");
    let unit = page["metricFilters"][0]["metricTransformations"][0].get("unit");
    assert_eq!(unit, None, "nobody said one");
    let next = json!({ "limit": 1, "nextToken": page["nextToken"] });
    let page = house.ok::<DescribeMetricFilters>(next).await;
    assert_eq!(page["metricFilters"][0]["filterName"], "latency");
    assert_eq!(page["metricFilters"][0]["metricTransformations"][0]["unit"], "Milliseconds");
    let by = json!({ "metricName": "errors", "metricNamespace": "app" });
    let found = house.ok::<DescribeMetricFilters>(by).await;
    assert_eq!(found["metricFilters"].as_array().unwrap().len(), 1);
    let groups = house.ok::<DescribeLogGroups>(json!({})).await;
    assert_eq!(groups["logGroups"][0]["metricFilterCount"], 2);
    let named = json!({ "logGroupName": "/app", "filterName": "count" });
    house.ok::<DeleteMetricFilter>(named.clone()).await;
    let gone = house.call::<DeleteMetricFilter>(named).await.unwrap_err();
    assert_eq!(gone.0, "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_filter_with_a_regular_expression_counts_in_every_put_as_it_reads_then() {
    let house = House::new();
    let seen = Arc::new(Seen::default());
    house.doors.peeks.offer::<dyn MetricSink>(Arc::clone(&seen) as Arc<dyn MetricSink>);
    group_with_stream(&house).await;
    let filter = |pattern: &str| {
        let value = json!({ "metricName": "slow", "metricNamespace": "app", "metricValue": "1" });
        json!({ "logGroupName": "/app", "filterName": "slow", "filterPattern": pattern,
            "metricTransformations": [value] })
    };
    let counts = async |line: &str| {
        put(&house, "one", &[(house.now(), line)]).await.unwrap();
        std::mem::take(&mut *seen.0.lock()).len()
    };
    house.ok::<PutMetricFilter>(filter(r"%took \d{4}.ms%")).await;
    assert_eq!(counts("took 1200\u{a0}ms").await, 1);
    assert_eq!(counts("took 120 ms").await, 0);
    assert_eq!(counts("took 5000 ms").await, 1);
    house.ok::<PutMetricFilter>(filter(r"%took \d{3}.ms%")).await;
    assert_eq!(counts("took 120 ms").await, 1);
    assert_eq!(counts("took 5000 ms").await, 0);
}

#[tokio::test]
async fn metrics_that_are_embedded_in_events_are_recorded() {
    let house = House::new();
    let seen = Arc::new(Seen::default());
    house.doors.peeks.offer::<dyn MetricSink>(Arc::clone(&seen) as Arc<dyn MetricSink>);
    group_with_stream(&house).await;
    let now = house.now();
    let event = json!({ "_aws": { "Timestamp": now, "CloudWatchMetrics": [{ "Namespace": "shop",
        "Dimensions": [["service"]], "Metrics": [{ "Name": "orders", "Unit": "Count" }] }] },
        "service": "till", "orders": 3 })
    .to_string();
    put(&house, "one", &[(now, "plain"), (now, &event)]).await.unwrap();
    let seen = std::mem::take(&mut *seen.0.lock());
    let expected = ("shop/orders/Count".to_owned(), r#"[("service", "till")]"#.to_owned(), 3.0);
    assert_eq!(seen, [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_group_tells_the_key_that_it_was_given() {
    let house = House::new();
    let key = "arn:aws:kms:us-east-1:000000000000:key/1";
    house.ok::<CreateLogGroup>(json!({ "logGroupName": "/app", "kmsKeyId": key })).await;
    let shown = async || {
        let groups = house.ok::<DescribeLogGroups>(json!({})).await;
        groups["logGroups"][0]["kmsKeyId"].clone()
    };
    assert_eq!(shown().await, key);
    house.ok::<DisassociateKmsKey>(json!({ "logGroupName": "/app" })).await;
    assert_eq!(shown().await, Value::Null);
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/app";
    house.ok::<AssociateKmsKey>(json!({ "resourceIdentifier": arn, "kmsKeyId": key })).await;
    assert_eq!(shown().await, key);
}
