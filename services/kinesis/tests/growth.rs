//! Streams in on-demand mode, and what is pushed to consumers in a second.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use futures_util::StreamExt as _;
use haar_kinesis_contract::*;
use house::House;
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);

async fn create(house: &House, input: serde_json::Value) {
    house.ok::<CreateStream>(input).await;
    house.pass(SECOND).await;
}

/// Puts records into each of the stream's ranges, as many at once as are allowed; answers how
/// many had no room.
async fn press(house: &House, name: &str, count: u32) -> i32 {
    let mut failed = 0;
    for from in (0..count).step_by(500) {
        let entry = |number: u32| PutRecordsRequestEntry {
            partition_key: format!("key-{number}"),
            data: b"x".to_vec().into(),
            explicit_hash_key: None,
        };
        let input = PutRecordsInput {
            stream_name: Some(name.to_owned()),
            records: (from..(from + 500).min(count)).map(entry).collect(),
            ..PutRecordsInput::default()
        };
        let put = house.raw::<PutRecords>(input).await.unwrap();
        failed += put.failed_record_count.unwrap();
    }
    failed
}

async fn open_shards(house: &House, name: &str) -> i64 {
    let seen = house.ok::<DescribeStreamSummary>(json!({ "StreamName": name })).await;
    seen["StreamDescriptionSummary"]["OpenShardCount"].as_i64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_on_demand_stream_begins_with_four_shards_and_doubles_under_load() {
    let house = House::new();
    let mode = json!({ "StreamMode": "ON_DEMAND" });
    create(&house, json!({ "StreamName": "s", "StreamModeDetails": mode })).await;
    assert_eq!(open_shards(&house, "s").await, 4);
    assert_eq!(press(&house, "s", 2_000).await, 0, "half of what it takes in a second");
    house.pass(SECOND).await;
    assert_eq!(open_shards(&house, "s").await, 4);

    assert!(press(&house, "s", 6_000).await > 0, "more than it takes in a second");
    house.pass(SECOND).await;
    assert_eq!(open_shards(&house, "s").await, 8);
    // Once for a while, however much comes.
    assert!(press(&house, "s", 12_000).await > 0);
    house.pass(SECOND).await;
    assert_eq!(open_shards(&house, "s").await, 8);
    house.pass(60 * SECOND).await;
    assert!(press(&house, "s", 12_000).await > 0);
    house.pass(SECOND).await;
    assert_eq!(open_shards(&house, "s").await, 16);
}

#[tokio::test(start_paused = true)]
async fn a_provisioned_stream_stays_as_it_is() {
    let house = House::new();
    create(&house, json!({ "StreamName": "s", "ShardCount": 1 })).await;
    assert!(press(&house, "s", 3_000).await > 0);
    house.pass(60 * SECOND).await;
    assert_eq!(open_shards(&house, "s").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_gets_two_mebibytes_a_second_until_it_is_deregistered() {
    let house = House::new();
    create(&house, json!({ "StreamName": "s", "ShardCount": 1 })).await;
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let input = json!({ "StreamARN": stream, "ConsumerName": "c" });
    let made = house.ok::<RegisterStreamConsumer>(input).await;
    let arn = made["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
    for _ in 0..6 {
        let input = PutRecordInput {
            stream_name: Some("s".to_owned()),
            partition_key: "k".to_owned(),
            data: vec![b'x'; (1 << 20) - 1].into(),
            ..PutRecordInput::default()
        };
        house.raw::<PutRecord>(input).await.unwrap();
        house.pass(2 * SECOND).await;
    }
    let subscribe = SubscribeToShardInput {
        consumer_arn: arn.clone(),
        shard_id: "shardId-000000000000".to_owned(),
        starting_position: StartingPosition {
            r#type: ShardIteratorType::TrimHorizon,
            ..StartingPosition::default()
        },
        ..SubscribeToShardInput::default()
    };
    let mut events = house.raw::<SubscribeToShard>(subscribe).await.unwrap().event_stream;
    let begin = house.doors.clock.now();
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 6 {
        let event = events.next().await.unwrap().unwrap();
        let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event;
        sizes.push(event.records.len());
    }
    assert_eq!(sizes, [2, 2, 2]);
    let took = house.doors.clock.now().since(begin);
    assert_eq!(took.as_millis() / 100, 20, "the second and the third a second after the other");

    house.ok::<DeregisterStreamConsumer>(json!({ "ConsumerARN": arn })).await;
    house.pass(SECOND).await;
    let refused = loop {
        match events.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(refused.name(), "ResourceNotFoundException");
    assert!(events.next().await.is_none());
}
