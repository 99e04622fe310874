//! The room's operations through a kernel, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_cloudwatch_contract::model::*;
use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_types::{AccountId, Region, Timestamp};
use house::{BEGIN, House};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn seconds(at: Timestamp) -> Value {
    json!(at.seconds())
}

async fn put(house: &House, name: &str, data: Value) -> Result<Value, house::Refused> {
    let mut datum = json!({ "MetricName": name });
    datum.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    house.call::<PutMetricData>(json!({ "Namespace": "App", "MetricData": [datum] })).await
}

async fn statistics(house: &House, name: &str, more: Value) -> Value {
    let mut input = json!({
        "Namespace": "App", "MetricName": name, "Period": 60,
        "StartTime": seconds(BEGIN), "EndTime": seconds(BEGIN + Duration::from_secs(3600)),
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.ok::<GetMetricStatistics>(input).await["Datapoints"].clone()
}

async fn data(house: &House, queries: Value) -> Value {
    let input = json!({
        "MetricDataQueries": queries, "ScanBy": "TimestampAscending",
        "StartTime": seconds(BEGIN), "EndTime": seconds(BEGIN + Duration::from_secs(300)),
    });
    house.ok::<GetMetricData>(input).await["MetricDataResults"].clone()
}

fn metric(id: &str, name: &str, stat: &str) -> Value {
    let metric = json!({ "Namespace": "App", "MetricName": name });
    json!({ "Id": id, "MetricStat": { "Metric": metric, "Period": 60, "Stat": stat } })
}

#[tokio::test(start_paused = true)]
async fn values_become_statistics() {
    let house = House::new();
    for value in [1.0, 2.0, 3.0, 10.0] {
        put(&house, "x", json!({ "Value": value, "Unit": "Count" })).await.unwrap();
    }
    let simple = json!({ "Statistics": ["Sum", "Average", "Minimum", "Maximum", "SampleCount"] });
    let points = statistics(&house, "x", simple).await;
    assert_eq!(points.as_array().unwrap().len(), 1);
    let point = &points[0];
    assert_eq!((&point["Sum"], &point["Average"]), (&json!(16.0), &json!(4.0)));
    assert_eq!((&point["Minimum"], &point["Maximum"]), (&json!(1.0), &json!(10.0)));
    assert_eq!((&point["SampleCount"], &point["Unit"]), (&json!(4.0), &json!("Count")));
    let extended = json!({ "ExtendedStatistics": ["p50", "p99.9", "tm75"] });
    let points = statistics(&house, "x", extended).await;
    let extended = json!({ "p50": 2.0, "p99.9": 10.0, "tm75": 2.0 });
    assert_eq!(points[0]["ExtendedStatistics"], extended);
    let other_unit = json!({ "Statistics": ["Sum"], "Unit": "Bytes" });
    assert_eq!(statistics(&house, "x", other_unit).await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn values_with_counts_and_statistic_sets_count_together() {
    let house = House::new();
    put(&house, "x", json!({ "Values": [1.0, 5.0], "Counts": [3.0, 1.0] })).await.unwrap();
    let set = json!({ "SampleCount": 2.0, "Sum": 4.0, "Minimum": 1.0, "Maximum": 3.0 });
    let wanted = json!({ "ExtendedStatistics": ["p50"] });
    assert_eq!(statistics(&house, "x", wanted.clone()).await[0]["ExtendedStatistics"]["p50"], 1.0);
    put(&house, "x", json!({ "StatisticValues": set })).await.unwrap();
    let points = statistics(&house, "x", json!({ "Statistics": ["Sum", "SampleCount"] })).await;
    assert_eq!((&points[0]["Sum"], &points[0]["SampleCount"]), (&json!(12.0), &json!(6.0)));
    assert_eq!(statistics(&house, "x", wanted).await[0].get("ExtendedStatistics"), None);
}

#[tokio::test(start_paused = true)]
async fn high_resolution_is_kept_for_three_hours() {
    let house = House::new();
    for second in 0..20 {
        let at = seconds(BEGIN + Duration::from_secs(second));
        put(&house, "x", json!({ "Value": 1.0, "Timestamp": at, "StorageResolution": 1 }))
            .await
            .unwrap();
    }
    let tens = json!({ "Statistics": ["Sum"], "Period": 10 });
    assert_eq!(statistics(&house, "x", tens.clone()).await.as_array().unwrap().len(), 2);
    let minute = json!({ "Statistics": ["Sum"] });
    assert_eq!(statistics(&house, "x", minute.clone()).await[0]["Sum"], 20.0);
    house.pass(Duration::from_secs(5 * 3600)).await;
    assert_eq!(statistics(&house, "x", tens).await, json!([]));
    assert_eq!(statistics(&house, "x", minute).await[0]["Sum"], 20.0);
}

#[tokio::test(start_paused = true)]
async fn values_grow_coarse_with_the_weeks_and_go_after_fifteen_months() {
    let house = House::new();
    put(&house, "x", json!({ "Value": 1.0 })).await.unwrap();
    house.pass(Duration::from_secs(61)).await;
    put(&house, "x", json!({ "Value": 2.0 })).await.unwrap();
    let minutes = json!({ "Statistics": ["Sum"] });
    let hour = json!({ "Statistics": ["Sum"], "Period": 3600 });
    assert_eq!(statistics(&house, "x", minutes.clone()).await.as_array().unwrap().len(), 2);
    house.pass(16 * DAY).await;
    assert_eq!(statistics(&house, "x", minutes).await, json!([]));
    assert_eq!(statistics(&house, "x", hour.clone()).await[0]["Sum"], 3.0);
    house.pass(60 * DAY).await;
    assert_eq!(statistics(&house, "x", hour.clone()).await[0]["Sum"], 3.0);
    house.pass(400 * DAY).await;
    assert_eq!(statistics(&house, "x", hour).await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn expressions_reckon_with_metrics_and_with_each_other() {
    let house = House::new();
    for (name, value) in [("errors", 2.0), ("calls", 8.0)] {
        put(&house, name, json!({ "Value": value })).await.unwrap();
    }
    let mut errors = metric("errors", "errors", "Sum");
    errors["ReturnData"] = json!(false);
    let queries = json!([
        errors,
        metric("calls", "calls", "Sum"),
        { "Id": "rate", "Expression": "100 * share", "Label": "rate of ${LABEL}: ${MAX}" },
        { "Id": "share", "Expression": "errors / calls", "ReturnData": false },
        { "Id": "filled", "Expression": "FILL(calls, 0)" },
        { "Id": "found", "Expression": "SEARCH('{App} MetricName=\"errors\"', 'Sum', 60)" },
    ]);
    let results = data(&house, queries).await;
    assert_eq!(results.as_array().unwrap().len(), 4);
    assert_eq!((&results[0]["Id"], &results[0]["Label"]), (&json!("calls"), &json!("calls")));
    assert_eq!(results[1]["Values"], json!([25.0]));
    assert_eq!(results[1]["Label"], "rate of rate: 25");
    assert_eq!(results[2]["Values"], json!([8.0, 0.0, 0.0, 0.0, 0.0]));
    assert_eq!(results[3]["Values"], json!([2.0]));
    assert_eq!(results[3]["StatusCode"], "Complete");
}

#[tokio::test(start_paused = true)]
async fn data_come_in_pages_in_either_order() {
    let house = House::new();
    for minute in 0..5_u64 {
        let at = seconds(BEGIN + Duration::from_secs(60 * minute));
        put(&house, "x", json!({ "Value": minute, "Timestamp": at })).await.unwrap();
    }
    let mut input = json!({
        "MetricDataQueries": [metric("x", "x", "Sum")], "MaxDatapoints": 2,
        "StartTime": seconds(BEGIN), "EndTime": seconds(BEGIN + Duration::from_secs(600)),
    });
    let (mut values, mut codes) = (Vec::new(), Vec::new());
    loop {
        let page = house.ok::<GetMetricData>(input.clone()).await;
        let result = &page["MetricDataResults"][0];
        values.extend(result["Values"].as_array().unwrap().clone());
        codes.push(result["StatusCode"].clone());
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(values, [4.0, 3.0, 2.0, 1.0, 0.0]);
    assert_eq!(codes, ["PartialData", "PartialData", "Complete"]);
}

#[tokio::test(start_paused = true)]
async fn a_select_gathers_metrics_into_groups() {
    let house = House::new();
    for (function, values) in [("f", [1.0, 3.0]), ("g", [10.0, 20.0]), ("h", [5.0, 5.0])] {
        let dimensions = json!([{ "Name": "FunctionName", "Value": function }]);
        let datum = json!({ "Values": values, "Dimensions": dimensions });
        put(&house, "Duration", datum).await.unwrap();
    }
    put(&house, "Duration", json!({ "Value": 100.0 })).await.unwrap();
    let select = |id: &str, text: &str| json!({ "Id": id, "Expression": text, "Period": 60 });
    let grouped = "SELECT AVG(Duration) FROM SCHEMA(App, FunctionName) \
                   WHERE FunctionName != 'h' GROUP BY FunctionName ORDER BY MAX() DESC LIMIT 5";
    let found = data(&house, json!([select("q", grouped)])).await;
    let shown: Vec<_> = found.as_array().unwrap().iter().map(|one| &one["Label"]).collect();
    assert_eq!(shown, ["g", "f"]);
    assert_eq!((&found[0]["Values"], &found[1]["Values"]), (&json!([15.0]), &json!([2.0])));

    let all = json!([select("q", "select sum(Duration) from \"App\""), select("e", "q / 2")]);
    let found = data(&house, all).await;
    assert_eq!((&found[0]["Label"], &found[0]["Values"]), (&json!("q"), &json!([144.0])));
    assert_eq!(found[1]["Values"], json!([72.0]));
    let none = data(&house, json!([select("q", "SELECT SUM(Nothing) FROM App")])).await;
    assert_eq!(none[0]["Values"], json!([]));

    let input = json!({
        "MetricDataQueries": [select("q", "SELECT MEDIAN(Duration) FROM App")],
        "StartTime": seconds(BEGIN), "EndTime": seconds(BEGIN + DAY),
    });
    let (code, message) = house.call::<GetMetricData>(input).await.unwrap_err();
    assert_eq!(code, "ValidationError");
    assert!(message.contains("Invalid syntax"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_select_looks_two_weeks_back_at_what_has_values() {
    let house = House::new();
    let of = |function: &str, value: f64| {
        let dimensions = json!([{ "Name": "FunctionName", "Value": function }]);
        json!({ "Value": value, "Dimensions": dimensions })
    };
    put(&house, "Errors", of("old", 1.0)).await.unwrap();
    house.pass(15 * DAY).await;
    for (function, value) in [("f", 2.0), ("g", 5.0)] {
        put(&house, "Errors", of(function, value)).await.unwrap();
    }
    let ask = |queries: Value, minutes: u64| {
        let end = BEGIN + 15 * DAY + Duration::from_secs(60 * minutes);
        json!({
            "MetricDataQueries": queries, "StartTime": seconds(BEGIN), "EndTime": seconds(end),
        })
    };
    let text = "SELECT SUM(Errors) FROM SCHEMA(App, FunctionName) GROUP BY FunctionName \
                ORDER BY SUM() ASC LIMIT 1";
    let select = |id: &str| json!({ "Id": id, "Expression": text, "Period": 1 });
    let found = house.ok::<GetMetricData>(ask(json!([select("q")]), 1)).await;
    let found = &found["MetricDataResults"];
    assert_eq!((&found[0]["Label"], &found[0]["Values"]), (&json!("f"), &json!([2.0])));
    let at = (BEGIN + 15 * DAY).seconds() / 60 * 60;
    assert_eq!(found[0]["Timestamps"][0].as_f64(), Some(at as f64));

    let two = ask(json!([select("q"), select("r")]), 1);
    let (code, message) = house.call::<GetMetricData>(two).await.unwrap_err();
    assert_eq!(code, "ValidationError");
    assert!(message.contains("Only one Metrics Insights query"), "{message}");
    let mut past = ask(json!([select("q")]), 1);
    past["EndTime"] = seconds(BEGIN + Duration::from_secs(300));
    assert_eq!(house.ok::<GetMetricData>(past).await["MetricDataResults"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn metrics_are_listed_by_dimension_and_by_when_they_were_last_heard_of() {
    let house = House::new();
    for (name, function) in [("Errors", "f"), ("Errors", "g"), ("Calls", "f")] {
        let dimensions = json!([{ "Name": "FunctionName", "Value": function }]);
        put(&house, name, json!({ "Value": 1.0, "Dimensions": dimensions })).await.unwrap();
    }
    let count = async |input: Value| {
        house.ok::<ListMetrics>(input).await["Metrics"].as_array().unwrap().len()
    };
    assert_eq!(count(json!({})).await, 3);
    assert_eq!(count(json!({ "Namespace": "App", "MetricName": "Errors" })).await, 2);
    let of_f = json!({ "Dimensions": [{ "Name": "FunctionName", "Value": "f" }] });
    assert_eq!(count(of_f).await, 2);
    assert_eq!(count(json!({ "Dimensions": [{ "Name": "Other" }] })).await, 0);
    house.pass(DAY).await;
    assert_eq!(count(json!({ "RecentlyActive": "PT3H" })).await, 0);
    assert_eq!(count(json!({})).await, 3);
    house.pass(15 * DAY).await;
    assert_eq!(count(json!({})).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_sinks_values_are_there_at_once() {
    let house = House::new();
    let sink = house.doors.peeks.expect::<dyn MetricSink>();
    for value in [3.0, 5.0] {
        sink.record(Sample {
            account: &AccountId::default(),
            region: &Region::default(),
            namespace: "App",
            metric: "Duration",
            dimensions: &[],
            unit: "Milliseconds",
            value,
            at: BEGIN,
        });
    }
    let points = statistics(&house, "Duration", json!({ "Statistics": ["Average"] })).await;
    assert_eq!((&points[0]["Average"], &points[0]["Unit"]), (&json!(4.0), &json!("Milliseconds")));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_in_words() {
    let house = House::new();
    let (code, message) =
        put(&house, "x", json!({ "Value": 1.0, "Values": [1.0] })).await.unwrap_err();
    assert_eq!(code, "InvalidParameterCombinationException");
    assert!(message.contains("mutually exclusive"), "{message}");
    let (code, _) = put(&house, "x", json!({})).await.unwrap_err();
    assert_eq!(code, "MissingRequiredParameterException");
    let early = seconds(BEGIN - 15 * DAY);
    let (_, message) =
        put(&house, "x", json!({ "Value": 1.0, "Timestamp": early })).await.unwrap_err();
    assert!(message.contains("two weeks"), "{message}");

    let many = json!({
        "Namespace": "App", "MetricName": "x", "Period": 60, "Statistics": ["Sum"],
        "StartTime": seconds(BEGIN), "EndTime": seconds(BEGIN + 2 * DAY),
    });
    let (_, message) = house.call::<GetMetricStatistics>(many).await.unwrap_err();
    assert!(message.contains("up to 2,880 datapoints"), "{message}");

    for (expression, words) in [
        ("nope + 1", "Undefined variable nope"),
        ("e", "circle"),
        ("1 +", "Invalid syntax"),
        ("2 + 2", "must return a time series"),
        ("ANOMALY_DETECTION_BAND(e)", "circle"),
    ] {
        let input = json!({
            "MetricDataQueries": [{ "Id": "e", "Expression": expression }],
            "StartTime": seconds(BEGIN), "EndTime": seconds(BEGIN + DAY),
        });
        let (code, message) = house.call::<GetMetricData>(input).await.unwrap_err();
        assert_eq!(code, "ValidationError");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn awss_own_namespaces_are_not_written_to() {
    let house = House::new();
    let data = json!([{ "MetricName": "Errors", "Value": 0.0 }]);
    for (namespace, taken) in [("AWS/Lambda", false), ("AWSome/Lambda", true)] {
        let input = json!({ "Namespace": namespace, "MetricData": data });
        let answer = house.call::<PutMetricData>(input).await;
        assert_eq!(answer.is_ok(), taken, "{namespace}");
    }
}
