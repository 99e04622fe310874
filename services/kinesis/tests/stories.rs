//! Streams through a kernel, on simulated time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // writers on threads of their own

mod house;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use haar_clock::IdSource;
use haar_controller::{ActCx, Controller as _};
use haar_kinesis::controllers::Sweeper;
use haar_kinesis_contract::peek::KinesisPeek;
use haar_kinesis_contract::*;
use house::{House, refused};
use serde_json::{Value, json};

const MOMENT: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

async fn create(house: &House, name: &str, shards: u32) {
    house.ok::<CreateStream>(json!({ "StreamName": name, "ShardCount": shards })).await;
    house.pass(MOMENT).await;
    let seen = house.ok::<DescribeStreamSummary>(json!({ "StreamName": name })).await;
    assert_eq!(seen["StreamDescriptionSummary"]["StreamStatus"], "ACTIVE");
}

async fn put(house: &House, name: &str, key: &str, text: &str) -> (String, String) {
    let data = text.as_bytes().to_vec().into();
    let input = PutRecordInput {
        stream_name: Some(name.to_owned()),
        partition_key: key.to_owned(),
        data,
        ..PutRecordInput::default()
    };
    let put = house.raw::<PutRecord>(input).await.unwrap();
    (put.shard_id, put.sequence_number)
}

async fn iterator(house: &House, name: &str, shard: u32, more: Value) -> String {
    let mut input = json!({ "StreamName": name, "ShardId": format!("shardId-{shard:012}") });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let got = house.ok::<GetShardIterator>(input).await;
    got["ShardIterator"].as_str().unwrap().to_owned()
}

async fn read(house: &House, iterator: &str) -> (Vec<String>, GetRecordsOutput) {
    let input =
        GetRecordsInput { shard_iterator: iterator.to_owned(), ..GetRecordsInput::default() };
    let got = house.raw::<GetRecords>(input).await.unwrap();
    let text = |record: &Record| String::from_utf8(record.data.to_vec()).unwrap();
    (got.records.iter().map(text).collect(), got)
}

/// Puts records as fast as they are taken, until there is no such stream.
async fn put_until_refused(house: &House) {
    let entry = PutRecordsRequestEntry {
        partition_key: "key".to_owned(),
        data: b"x".to_vec().into(),
        explicit_hash_key: None,
    };
    let input = PutRecordsInput {
        stream_name: Some("s".to_owned()),
        records: vec![entry; 5],
        ..PutRecordsInput::default()
    };
    while house.raw::<PutRecords>(input.clone()).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_writes_while_a_stream_is_deleted_leaves_nothing_behind() {
    let house = std::sync::Arc::new(House::new());
    for round in 0..40 {
        house.ok::<CreateStream>(json!({ "StreamName": "s", "ShardCount": 100 })).await;
        let seen = json!({ "StreamName": "s" });
        let status = async || house.call::<DescribeStreamSummary>(seen.clone()).await;
        while status().await.unwrap()["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE" {
            house.pass(Duration::from_millis(1)).await;
        }
        let writers: Vec<_> = (0..6)
            .map(|_| {
                let house = std::sync::Arc::clone(&house);
                tokio::spawn(async move { put_until_refused(&house).await })
            })
            .collect();
        house.pass(Duration::from_millis(5)).await;
        house.ok::<DeleteStream>(seen.clone()).await;
        for writer in writers {
            writer.await.unwrap();
        }
        while status().await.is_ok() {
            house.pass(Duration::from_millis(1)).await;
        }
        let left = house.doors.kv.keyspace("kinesis.record").unwrap().all().count();
        assert_eq!(left, 0, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_are_read_in_their_order_from_any_place() {
    let house = House::new();
    create(&house, "s", 1).await;
    let latest = iterator(&house, "s", 0, json!({ "ShardIteratorType": "LATEST" })).await;
    let mut numbers = Vec::new();
    let begin = house.doors.clock.now().0;
    for text in ["a", "b", "c"] {
        numbers.push(put(&house, "s", "k", text).await.1);
        house.pass(SECOND).await;
    }
    assert!(numbers.is_sorted() && numbers[0] != numbers[1]);

    let horizon = json!({ "ShardIteratorType": "TRIM_HORIZON" });
    let from = iterator(&house, "s", 0, horizon).await;
    let (texts, got) = read(&house, &from).await;
    assert_eq!(texts, ["a", "b", "c"]);
    assert_eq!(got.millis_behind_latest, Some(0));
    let (texts, _) = read(&house, &got.next_shard_iterator.unwrap()).await;
    assert_eq!(texts, Vec::<String>::new());
    assert_eq!(read(&house, &latest).await.0, ["a", "b", "c"]);

    let second = numbers[1].as_str();
    for (kind, expected) in
        [("AT_SEQUENCE_NUMBER", vec!["b", "c"]), ("AFTER_SEQUENCE_NUMBER", vec!["c"])]
    {
        let place = json!({ "ShardIteratorType": kind, "StartingSequenceNumber": second });
        let from = iterator(&house, "s", 0, place).await;
        house.pass(SECOND).await;
        assert_eq!(read(&house, &from).await.0, expected, "{kind}");
    }
    let at =
        json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": (begin + 500) as f64 / 1e3 });
    let from = iterator(&house, "s", 0, at).await;
    assert_eq!(read(&house, &from).await.0, ["b", "c"]);

    house.pass(Duration::from_secs(301)).await;
    let late = house.call::<GetRecords>(json!({ "ShardIterator": from })).await;
    assert_eq!(late.unwrap_err().0, "ExpiredIteratorException");
}

#[tokio::test(start_paused = true)]
async fn a_hash_key_chooses_the_shard_and_a_split_gives_it_children() {
    let house = House::new();
    create(&house, "s", 2).await;
    let high = (u128::MAX - 1).to_string();
    for (hash, shard) in [("0", "shardId-000000000000"), (&high, "shardId-000000000001")] {
        let input = PutRecordInput {
            stream_name: Some("s".to_owned()),
            partition_key: "k".to_owned(),
            explicit_hash_key: Some(hash.to_owned()),
            data: b"x".to_vec().into(),
            ..PutRecordInput::default()
        };
        assert_eq!(house.raw::<PutRecord>(input).await.unwrap().shard_id, shard);
    }
    let split = json!({
        "StreamName": "s",
        "ShardToSplit": "shardId-000000000001",
        "NewStartingHashKey": (3_u128 << 126).to_string(),
    });
    house.ok::<SplitShard>(split.clone()).await;
    house.pass(MOMENT).await;
    let again = house.call::<SplitShard>(split).await.unwrap_err();
    assert!(again.1.contains("has already been merged or split"), "{again:?}");

    let listed = house.ok::<ListShards>(json!({ "StreamName": "s" })).await;
    let shards = listed["Shards"].as_array().unwrap();
    assert_eq!(shards.len(), 4);
    assert_eq!(shards[2]["ParentShardId"], "shardId-000000000001");
    let end = shards[1]["SequenceNumberRange"]["EndingSequenceNumber"].as_str().unwrap();
    let start = shards[3]["SequenceNumberRange"]["StartingSequenceNumber"].as_str().unwrap();
    assert!(start > end);

    let from = iterator(&house, "s", 1, json!({ "ShardIteratorType": "TRIM_HORIZON" })).await;
    let (texts, got) = read(&house, &from).await;
    assert_eq!((texts.as_slice(), got.next_shard_iterator), (&["x".to_owned()][..], None));
    let children: Vec<_> = got.child_shards.unwrap().into_iter().map(|it| it.shard_id).collect();
    assert_eq!(children, ["shardId-000000000002", "shardId-000000000003"]);

    let merge = json!({
        "StreamName": "s",
        "ShardToMerge": "shardId-000000000002",
        "AdjacentShardToMerge": "shardId-000000000003",
    });
    house.ok::<MergeShards>(merge).await;
    house.pass(MOMENT).await;
    let open = json!({ "StreamName": "s", "ShardFilter": { "Type": "AT_LATEST" } });
    let listed = house.ok::<ListShards>(open).await;
    assert_eq!(listed["Shards"].as_array().unwrap().len(), 2);
    assert_eq!(listed["Shards"][1]["AdjacentParentShardId"], "shardId-000000000003");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_scaled_and_at_most_doubled_or_halved() {
    let house = House::new();
    create(&house, "s", 2).await;
    let scale = |count: u32| {
        let kind = "UNIFORM_SCALING";
        json!({ "StreamName": "s", "TargetShardCount": count, "ScalingType": kind })
    };
    let told = house.ok::<UpdateShardCount>(scale(3)).await;
    assert_eq!((&told["CurrentShardCount"], &told["TargetShardCount"]), (&json!(2), &json!(3)));
    house.pass(MOMENT).await;
    let seen = house.ok::<DescribeStreamSummary>(json!({ "StreamName": "s" })).await;
    assert_eq!(seen["StreamDescriptionSummary"]["OpenShardCount"], 3);
    let refused = house.call::<UpdateShardCount>(scale(7)).await.unwrap_err();
    assert_eq!(refused.0, "InvalidArgumentException");
    let refused = house.call::<UpdateShardCount>(scale(1)).await.unwrap_err();
    assert_eq!(refused.0, "InvalidArgumentException");
    for index in 0..60_u32 {
        put(&house, "s", &index.to_string(), "x").await; // every key finds its shard
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_come_while_a_shard_is_split_are_all_there_once_and_in_order() {
    let house = House::new();
    create(&house, "s", 1).await;
    let mut numbers = Vec::new();
    for round in 0..3_u32 {
        let split = json!({
            "StreamName": "s",
            "ShardToSplit": format!("shardId-{:012}", if round == 0 { 0 } else { round * 2 - 1 }),
            "NewStartingHashKey": (1_u128 << (126 - round)).to_string(),
        });
        let puts = async {
            let mut put_all = Vec::new();
            for index in 0..40 {
                let (shard, number) = put(&house, "s", &format!("k{index}"), "x").await;
                put_all.push((format!("k{index}"), shard, number));
                house.pass(Duration::from_millis(1)).await;
            }
            put_all
        };
        let (_, more) = futures_util::join!(house.ok::<SplitShard>(split), puts);
        numbers.extend(more);
        house.pass(MOMENT).await;
    }
    let listed = house.ok::<ListShards>(json!({ "StreamName": "s" })).await;
    let mut read_count = 0;
    for number in 0..u32::try_from(listed["Shards"].as_array().unwrap().len()).unwrap() {
        let from =
            iterator(&house, "s", number, json!({ "ShardIteratorType": "TRIM_HORIZON" })).await;
        let (_, got) = read(&house, &from).await;
        let id = format!("shardId-{number:012}");
        let mut of_shard = numbers.iter().filter(|(_, shard, _)| *shard == id);
        for record in &got.records {
            let (_, _, number) = of_shard.next().unwrap();
            assert_eq!(record.sequence_number, *number);
        }
        assert_eq!(of_shard.next(), None);
        let end = &listed["Shards"][number as usize]["SequenceNumberRange"]["EndingSequenceNumber"];
        let last = got.records.last().map(|record| record.sequence_number.clone());
        assert!(end.as_str().is_none_or(|end| last.is_none_or(|last| last.as_str() <= end)));
        read_count += got.records.len();
    }
    assert_eq!(read_count, 120);
    // A key's records ascend from shard to shard.
    for key in (0..40).map(|index| format!("k{index}")) {
        let of_key: Vec<_> = numbers.iter().filter(|(of, ..)| *of == key).map(|it| &it.2).collect();
        assert!(of_key.is_sorted(), "{of_key:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_takes_a_thousand_records_a_second_and_gives_five_answers() {
    let house = House::new();
    create(&house, "s", 1).await;
    let entry = || PutRecordsRequestEntry {
        partition_key: "k".to_owned(),
        data: b"x".to_vec().into(),
        explicit_hash_key: None,
    };
    let input = || PutRecordsInput {
        stream_name: Some("s".to_owned()),
        records: (0..500).map(|_| entry()).collect(),
        ..PutRecordsInput::default()
    };
    for _ in 0..2 {
        let put = house.raw::<PutRecords>(input()).await.unwrap();
        assert_eq!(put.failed_record_count, Some(0));
    }
    let put = house.raw::<PutRecords>(input()).await.unwrap();
    assert_eq!(put.failed_record_count, Some(500));
    let failed = &put.records[0];
    assert_eq!(failed.error_code.as_deref(), Some("ProvisionedThroughputExceededException"));
    let text =
        "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.";
    assert_eq!(failed.error_message.as_deref(), Some(text));
    house.pass(SECOND).await;
    put_one_more(&house).await;

    let from = iterator(&house, "s", 0, json!({ "ShardIteratorType": "TRIM_HORIZON" })).await;
    for _ in 0..5 {
        read(&house, &from).await;
    }
    let sixth = house.call::<GetRecords>(json!({ "ShardIterator": from })).await;
    assert_eq!(sixth, refused("ProvisionedThroughputExceededException", text));
    assert_eq!(house.bill.total("put-payload-units"), 1001);
}

async fn put_one_more(house: &House) {
    put(house, "s", "k", "y").await;
}

#[tokio::test(start_paused = true)]
async fn records_go_when_their_time_is_over_and_closed_shards_with_them() {
    let house = House::new();
    create(&house, "s", 2).await;
    put(&house, "s", "k", "old").await;
    let merge = json!({
        "StreamName": "s",
        "ShardToMerge": "shardId-000000000000",
        "AdjacentShardToMerge": "shardId-000000000001",
    });
    house.ok::<MergeShards>(merge).await;
    house.pass(23 * HOUR).await;
    put(&house, "s", "k", "new").await;
    let listed = house.ok::<ListShards>(json!({ "StreamName": "s" })).await;
    assert_eq!(listed["Shards"].as_array().unwrap().len(), 3);
    house.pass(2 * HOUR).await;
    let listed = house.ok::<ListShards>(json!({ "StreamName": "s" })).await;
    assert_eq!(listed["Shards"].as_array().unwrap().len(), 1);
    let from = iterator(&house, "s", 2, json!({ "ShardIteratorType": "TRIM_HORIZON" })).await;
    assert_eq!(read(&house, &from).await.0, ["new"]);
    assert!(house.bill.total("shard-s") >= 25 * 3600);
}

#[tokio::test(start_paused = true)]
async fn what_was_put_is_there_in_another_process_and_its_numbers_go_on() {
    let house = House::new();
    create(&house, "s", 1).await;
    let (_, first) = put(&house, "s", "k", "a").await;
    let again = house.again();
    let (_, second) = put(&again, "s", "k", "b").await;
    assert!(second > first);
    let from = iterator(&again, "s", 0, json!({ "ShardIteratorType": "TRIM_HORIZON" })).await;
    assert_eq!(read(&again, &from).await.0, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_pushed_what_comes_and_another_subscription_takes_its_place() {
    let house = House::new();
    create(&house, "s", 1).await;
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let input = json!({ "StreamARN": stream, "ConsumerName": "c" });
    let made = house.ok::<RegisterStreamConsumer>(input.clone()).await;
    let arn = made["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
    assert!(arn.starts_with(&format!("{stream}/consumer/c:")));
    house.pass(MOMENT).await;
    let taken = house.call::<RegisterStreamConsumer>(input).await.unwrap_err();
    assert_eq!(taken.0, "ResourceInUseException");
    let subscribe = || SubscribeToShardInput {
        consumer_arn: arn.clone(),
        shard_id: "shardId-000000000000".to_owned(),
        starting_position: StartingPosition {
            r#type: ShardIteratorType::Latest,
            ..StartingPosition::default()
        },
        ..SubscribeToShardInput::default()
    };
    let mut events = house.raw::<SubscribeToShard>(subscribe()).await.unwrap().event_stream;
    let soon = house.raw::<SubscribeToShard>(subscribe()).await.unwrap_err();
    assert_eq!(soon.name(), "ResourceInUseException");

    let (_, number) = put(&house, "s", "k", "pushed").await;
    let event = next(&mut events).await.unwrap();
    assert_eq!(event.records[0].data, b"pushed".as_slice());
    assert_eq!(event.continuation_sequence_number, number);
    let idle = next(&mut events).await.unwrap();
    assert_eq!((idle.records.len(), idle.continuation_sequence_number), (0, number));

    house.pass(5 * SECOND).await;
    let mut others = house.raw::<SubscribeToShard>(subscribe()).await.unwrap().event_stream;
    put(&house, "s", "k", "later").await;
    assert_eq!(next(&mut others).await.unwrap().records.len(), 1);
    while let Some(event) = next(&mut events).await {
        assert!(event.records.len() <= 1); // what it had before it was told to end
    }
}

async fn next(
    events: &mut haar_wire::EventStream<SubscribeToShardEventStream>,
) -> Option<SubscribeToShardEvent> {
    let SubscribeToShardEventStream::SubscribeToShardEvent(event) = events.next().await?.unwrap();
    Some(event)
}

#[tokio::test(start_paused = true)]
async fn a_deleted_stream_is_gone_with_its_records_and_who_waits_is_told() {
    let house = House::new();
    create(&house, "s", 1).await;
    put(&house, "s", "k", "a").await;
    let peek = house.doors.peeks.expect::<dyn KinesisPeek>();
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let mut grown = peek.grown(arn).unwrap();
    grown.mark_unchanged();
    put(&house, "s", "k", "b").await;
    grown.changed().await.unwrap();
    house.ok::<DeleteStream>(json!({ "StreamARN": arn })).await;
    grown.changed().await.unwrap();
    let late = peek.grown(arn).expect("it goes, and is there");
    house.pass(MOMENT).await;
    assert!(late.has_changed().is_err(), "nothing is kept of it");
    let gone = house.call::<DescribeStream>(json!({ "StreamName": "s" })).await;
    let text = "Stream s under account 000000000000 not found.";
    assert_eq!(gone, refused("ResourceNotFoundException", text));
    assert!(peek.grown(arn).is_none());
    create(&house, "s", 1).await;
    let from = iterator(&house, "s", 0, json!({ "ShardIteratorType": "TRIM_HORIZON" })).await;
    assert_eq!(read(&house, &from).await.0, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_in_awss_words() {
    let house = House::new();
    create(&house, "s", 1).await;
    let taken = house.call::<CreateStream>(json!({ "StreamName": "s", "ShardCount": 1 })).await;
    let text = "Stream s under account 000000000000 already exists.";
    assert_eq!(taken, refused("ResourceInUseException", text));
    let shorter = json!({ "StreamName": "s", "RetentionPeriodHours": 12 });
    let text = "Minimum allowed retention period is 24 hours. Requested retention period (12 \
                hours) is too short.";
    let answer = house.call::<DecreaseStreamRetentionPeriod>(shorter).await;
    assert_eq!(answer, refused("InvalidArgumentException", text));
    let shard = json!({
        "StreamName": "s", "ShardId": "shardId-000000000009", "ShardIteratorType": "LATEST"
    });
    let answer = house.call::<GetShardIterator>(shard).await.unwrap_err();
    assert_eq!(answer.0, "ResourceNotFoundException");
    let input = PutRecordInput {
        stream_name: Some("s".to_owned()),
        partition_key: "k".to_owned(),
        data: vec![0; 1 << 20].into(),
        ..PutRecordInput::default()
    };
    let large = house.raw::<PutRecord>(input).await.unwrap_err();
    assert_eq!(large.name(), "InvalidArgumentException");
    let none = house.call::<ListTagsForStream>(json!({})).await.unwrap_err();
    assert_eq!(none.0, "InvalidArgumentException");
}

#[tokio::test(start_paused = true)]
async fn records_stay_that_are_kept_longer_since_a_sweep_was_planned() {
    let house = House::new();
    create(&house, "s", 1).await;
    put(&house, "s", "k", "a").await;
    house.pass(HOUR * 23).await;
    let sweeper = Sweeper::new(Arc::clone(&house.room));
    let (snapshot, now) = (house.doors.ledger.snapshot(), house.doors.clock.now());
    let key = sweeper.all(&snapshot).remove(0);
    let step = sweeper.plan(&snapshot, &key, now + HOUR * 2).steps.remove(0);

    let longer = json!({ "StreamName": "s", "RetentionPeriodHours": 48 });
    house.ok::<IncreaseStreamRetentionPeriod>(longer).await;
    house.pass(HOUR * 2).await;
    let (clock, ids) = (house.doors.clock.clone(), IdSource::seeded(9));
    sweeper.act(step, &ActCx::new(house.doors.ledger.clone(), clock, ids)).await.unwrap();
    let from = iterator(&house, "s", 0, json!({ "ShardIteratorType": "TRIM_HORIZON" })).await;
    assert_eq!(read(&house, &from).await.0, ["a"]);
}
