//! Streams as sources of pollers, polled and pushed.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod house;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use haar_kernel::Principal;
use haar_kinesis_contract::source::{self, RecordStyle};
use haar_kinesis_contract::{
    CreateStream, DeleteStream, PutRecord, PutRecordInput, RegisterStreamConsumer, SplitShard,
};
use haar_kv::Kv;
use haar_poller::rules::batch::Bounds;
use haar_poller::rules::retry;
use haar_poller::*;
use haar_types::{AccountId, Region};
use haar_wire::AwsError;
use house::{BEGIN, House};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);
const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

struct Anybody;

impl Reader for Anybody {
    fn identity(&self) -> Result<Identity, AwsError> {
        let principal = Arc::new(Principal::root(AccountId::default()));
        Ok(Identity { principal, role_arn: "arn:aws:iam::000000000000:role/r".to_owned() })
    }

    fn region(&self) -> Region {
        Region::default()
    }
}

#[derive(Default)]
struct Recorded {
    records: Mutex<Vec<Value>>,
    notes: Mutex<Vec<String>>,
}

impl Consumer for Recorded {
    fn take<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Taken> {
        self.records.lock().extend(delivery.items.iter().map(|item| item.record.clone()));
        Box::pin(async { Taken::Answered(Default::default(), json!({})) })
    }

    fn discard<'a>(&'a self, _: Discarded<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn note(&self, result: &str) {
        self.notes.lock().push(result.to_owned());
    }
}

impl Recorded {
    fn keys(&self) -> Vec<String> {
        let key = |record: &Value| record["partitionKey"].as_str().unwrap().to_owned();
        self.records.lock().iter().map(key).collect()
    }
}

fn poll(house: &House, kv: &Kv, source_arn: &str, consumer: &Arc<Recorded>) -> CancellationToken {
    let errand = Errand {
        doors: house.doors.clone(),
        source_arn: source_arn.to_owned(),
        filters: Arc::default(),
        since: BEGIN,
        reader: Arc::new(Anybody),
    };
    let stream = source::open(errand, RecordStyle::Flat);
    let settings = StreamSettings {
        position: Position::Horizon,
        bounds: Bounds { count_max: 10, window: Duration::ZERO },
        retry: retry::Settings::default(),
        lanes: 1,
        window: None,
        wait_divisor: 1,
    };
    let marks = Checkpoints::open(kv, "marks").unwrap();
    let stop = CancellationToken::new();
    let ends = (stream, Arc::clone(consumer) as Arc<dyn Consumer>);
    let clock = house.doors.clock.clone();
    tokio::spawn(poll_stream("p".to_owned(), ends, settings, marks, clock, stop.clone()));
    stop
}

async fn put(house: &House, key: &str) {
    let input = PutRecordInput {
        stream_name: Some("s".to_owned()),
        partition_key: key.to_owned(),
        data: format!("data of {key}").into(),
        ..PutRecordInput::default()
    };
    house.raw::<PutRecord>(input).await.unwrap();
}

async fn with_consumer(house: &House) -> String {
    house.ok::<CreateStream>(json!({ "StreamName": "s", "ShardCount": 1 })).await;
    house.pass(SECOND).await;
    let input = json!({ "StreamARN": STREAM, "ConsumerName": "c" });
    let consumer = house.ok::<RegisterStreamConsumer>(input).await;
    house.pass(SECOND).await;
    consumer["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_pushed_to_and_leaves_the_reads_of_others_alone() {
    let house = House::new();
    let consumer_arn = with_consumer(&house).await;
    let (consumer, kv) = (Arc::new(Recorded::default()), Kv::ephemeral());
    put(&house, "a").await;
    let stop = poll(&house, &kv, &consumer_arn, &consumer);
    house.pass(SECOND).await;
    put(&house, "b").await;
    house.pass(SECOND).await;
    assert_eq!(consumer.keys(), ["a", "b"]);
    let first = consumer.records.lock()[0].clone();
    assert_eq!(first["eventSourceARN"], json!(consumer_arn));
    assert!(house.bill.total("kib-out/fan-out") > 0);
    // a subscription ends after five minutes, and the next one goes on behind it
    house.pass(400 * SECOND).await;
    put(&house, "c").await;
    house.pass(SECOND).await;
    assert_eq!(consumer.keys(), ["a", "b", "c"]);
    stop.cancel();
    house.pass(SECOND).await;
    put(&house, "d").await;
    poll(&house, &kv, &consumer_arn, &consumer);
    house.pass(SECOND).await;
    assert_eq!(consumer.keys(), ["a", "b", "c", "d"]);
    assert!(!consumer.notes.lock().iter().any(|note| note.starts_with("PROBLEM")));
}

#[tokio::test(start_paused = true)]
async fn shards_that_were_split_are_read_to_their_end_polled_and_pushed() {
    let house = House::new();
    let consumer_arn = with_consumer(&house).await;
    put(&house, "a").await;
    let split = json!({
        "StreamName": "s",
        "ShardToSplit": "shardId-000000000000",
        "NewStartingHashKey": "170141183460469231731687303715884105728",
    });
    house.ok::<SplitShard>(split).await;
    house.pass(SECOND).await;
    put(&house, "b").await;
    for source_arn in [STREAM, &consumer_arn] {
        let consumer = Arc::new(Recorded::default());
        let stop = poll(&house, &Kv::ephemeral(), source_arn, &consumer);
        house.pass(30 * SECOND).await;
        assert_eq!(consumer.keys(), ["a", "b"], "{source_arn}");
        stop.cancel();
        house.pass(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_made_again_under_its_name_is_read_from_its_beginning() {
    let house = House::new();
    let two = || json!({ "StreamName": "s", "ShardCount": 2 });
    house.ok::<CreateStream>(two()).await;
    house.pass(SECOND).await;
    let (consumer, kv) = (Arc::new(Recorded::default()), Kv::ephemeral());
    let keys = || {
        let mut keys = consumer.keys();
        keys.sort_unstable();
        keys.join("")
    };
    let stop = poll(&house, &kv, STREAM, &consumer);
    for key in ["a", "b", "c", "d"] {
        put(&house, key).await;
    }
    house.pass(5 * SECOND).await;
    assert_eq!(keys(), "abcd");

    house.ok::<DeleteStream>(json!({ "StreamName": "s" })).await;
    house.pass(10 * SECOND).await;
    house.ok::<CreateStream>(two()).await;
    house.pass(SECOND).await;
    for key in ["e", "f", "g", "h"] {
        put(&house, key).await;
    }
    house.pass(20 * SECOND).await;
    assert_eq!(keys(), "abcdefgh");
    stop.cancel();
    house.pass(SECOND).await;

    let stop = poll(&house, &kv, STREAM, &consumer);
    put(&house, "i").await;
    house.pass(5 * SECOND).await;
    assert_eq!(keys(), "abcdefghi", "what was read does not come again");
    stop.cancel();
    house.pass(SECOND).await;

    // while nobody polls
    house.ok::<DeleteStream>(json!({ "StreamName": "s" })).await;
    house.pass(10 * SECOND).await;
    house.ok::<CreateStream>(two()).await;
    house.pass(SECOND).await;
    put(&house, "j").await;
    poll(&house, &kv, STREAM, &consumer);
    house.pass(5 * SECOND).await;
    assert_eq!(keys(), "abcdefghij");
}
