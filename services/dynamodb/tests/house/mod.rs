//! DynamoDB and its streams behind a kernel, in memory and on simulated time, with the
//! controller and the sweeps at work.

#![allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_dynamodb::Dynamodb;
use haar_dynamodb_contract::*;
use haar_dynamodbstreams::Streams;
use haar_kernel::{
    Auth, DoorParts, Doors, Identities, Kernel, KernelBuilder, Meter, NoIdentities, Principal,
    Settings, UsageRecord,
};
use haar_kinesis::Kinesis;
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_s3::S3;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

pub struct House {
    pub doors: Doors,
    pub room: Arc<Dynamodb>,
    pub s3: Arc<S3>,
    pub metrics: Arc<Metrics>,
    pub bill: Arc<Bill>,
    _kernel: Arc<Kernel>,
    driver: Option<DriverHandle>,
    sweeps: tokio::task::JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.sweeps.abort();
    }
}

/// What CloudWatch was told of tables, indexes left out: sums by metric.
#[derive(Default)]
pub struct Metrics(Mutex<BTreeMap<String, f64>>);

impl Metrics {
    pub fn sum(&self, metric: &str) -> f64 {
        self.0.lock().unwrap().get(metric).copied().unwrap_or_default()
    }
}

impl MetricSink for Metrics {
    fn record(&self, sample: Sample<'_>) {
        if sample.dimensions.len() == 1 {
            *self.0.lock().unwrap().entry(sample.metric.to_owned()).or_default() += sample.value;
        }
    }
}

/// What was metered of tables: sums by kind.
#[derive(Default)]
pub struct Bill(Mutex<BTreeMap<&'static str, u64>>);

impl Bill {
    pub fn sum(&self, kind: &str) -> u64 {
        self.0.lock().unwrap().get(kind).copied().unwrap_or_default()
    }
}

impl Meter for Bill {
    fn record(&self, record: UsageRecord) {
        for (kind, quantity) in record.quantities {
            *self.0.lock().unwrap().entry(kind).or_default() += quantity;
        }
    }
}

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

pub fn refused(name: &str, message: &str) -> Result<Value, Refused> {
    Err((name.to_owned(), message.to_owned()))
}

pub fn invalid(message: &str) -> Result<Value, Refused> {
    refused("ValidationException", message)
}

impl House {
    pub fn new() -> Self {
        let ledger = Ledger::ephemeral(
            haar_kernel::tables()
                .and(&haar_dynamodb::tables())
                .and(&haar_kinesis::tables())
                .and(&haar_s3::tables()),
        );
        Self::over(Clock::simulated(BEGIN), ledger, Kv::ephemeral())
    }

    /// A house where policies decide.
    pub fn enforced(identities: Arc<dyn Identities>) -> Self {
        let ledger = Ledger::ephemeral(
            haar_kernel::tables()
                .and(&haar_dynamodb::tables())
                .and(&haar_kinesis::tables())
                .and(&haar_s3::tables()),
        );
        let settings = Settings { auth: Auth::Enforce, ..Settings::default() };
        let clock = Clock::simulated(BEGIN);
        Self::with(clock, ledger, Kv::ephemeral(), (settings, identities))
    }

    /// The same state, as another process finds it.
    pub async fn again(mut self) -> Self {
        self.driver.take().unwrap().stop().await;
        let Doors { clock, ledger, kv, .. } = self.doors.clone();
        Self::over(clock, ledger, kv)
    }

    fn over(clock: Clock, ledger: Ledger, kv: Kv) -> Self {
        Self::with(clock, ledger, kv, (Settings::default(), Arc::new(NoIdentities)))
    }

    fn with(
        clock: Clock,
        ledger: Ledger,
        kv: Kv,
        (settings, identities): (Settings, Arc<dyn Identities>),
    ) -> Self {
        let ids = IdSource::seeded(clock.now().0.unsigned_abs());
        let bill = Arc::new(Bill::default());
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger,
            kv,
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: bill.clone(),
            settings,
        });
        let metrics = Arc::new(Metrics::default());
        doors.peeks.offer::<dyn MetricSink>(metrics.clone());
        let room = Dynamodb::open(&doors).unwrap();
        let s3 = S3::open(&doors).unwrap();
        let kinesis = Kinesis::open(&doors).unwrap();
        let kernel = KernelBuilder::new(doors.clone(), identities)
            .room(Arc::clone(&room), haar_dynamodb::lanes)
            .room(Arc::clone(&kinesis), haar_kinesis::lanes)
            .room(Arc::clone(&s3), haar_s3::lanes)
            .room(Arc::new(Streams::new(&doors)), haar_dynamodbstreams::lanes)
            .build();
        s3.start().unwrap();
        room.start().unwrap();
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let driver = Driver::new(cx)
            .add(room.tables())
            .add(room.backups())
            .add(room.exports())
            .add(room.imports())
            .add(Arc::new(haar_kinesis::controllers::Streams::new(kinesis)))
            .run();
        #[allow(clippy::disallowed_methods)] // the wiring's part here
        let sweeps = tokio::spawn(room.sweep());
        Self { doors, room, s3, metrics, bill, _kernel: kernel, driver: Some(driver), sweeps }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let principal = Arc::new(Principal::root(AccountId::default()));
        self.call_as::<O>(principal, input).await
    }

    /// The same for somebody.
    pub async fn call_as<O: Operation>(
        &self,
        principal: Arc<Principal>,
        input: Value,
    ) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input = serde_json::from_value(input).unwrap();
        match self.doors.call::<O>(principal, &Region::default(), input).await {
            Ok(output) => Ok(serde_json::to_value(&output).unwrap()),
            Err(error) => Err((error.name().to_owned(), error.message().to_owned())),
        }
    }

    /// The same where nothing may fail.
    pub async fn ok<O: Operation>(&self, input: Value) -> Value
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call::<O>(input).await.unwrap()
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.doors.clock.sleep(time).await;
    }

    /// Makes a table with a partition key `p` (S) and a sort key `s` (N), changed by `more`.
    pub async fn table(&self, name: &str, more: Value) {
        let mut input = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "p", "AttributeType": "S" },
                { "AttributeName": "s", "AttributeType": "N" },
            ],
            "KeySchema": keys("p", "s"),
        });
        for (member, value) in more.as_object().unwrap() {
            input[member] = value.clone();
        }
        self.ok::<CreateTable>(input).await;
        self.active(name).await;
    }

    /// Waits until a table and its indexes are active.
    pub async fn active(&self, name: &str) -> Value {
        for _ in 0..200 {
            let table = self.ok::<DescribeTable>(json!({ "TableName": name })).await;
            let table = table["Table"].clone();
            let indexes = table["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default();
            let ready = |one: &Value| one["IndexStatus"] == "ACTIVE";
            if table["TableStatus"] == "ACTIVE" && indexes.iter().all(ready) {
                return table;
            }
            self.pass(Duration::from_millis(50)).await;
        }
        panic!("{name} did not become active");
    }

    pub async fn put(&self, table: &str, item: Value) {
        self.ok::<PutItem>(json!({ "TableName": table, "Item": item })).await;
    }

    pub async fn get(&self, table: &str, p: &str, s: i64) -> Value {
        let input = json!({ "TableName": table, "Key": key(p, s) });
        self.ok::<GetItem>(input).await.get("Item").cloned().unwrap_or(Value::Null)
    }
}

pub fn keys(hash: &str, range: &str) -> Value {
    json!([
        { "AttributeName": hash, "KeyType": "HASH" },
        { "AttributeName": range, "KeyType": "RANGE" },
    ])
}

pub fn key(p: &str, s: i64) -> Value {
    json!({ "p": { "S": p }, "s": { "N": s.to_string() } })
}

/// A key's item with more attributes.
pub fn item(p: &str, s: i64, more: Value) -> Value {
    let mut item = key(p, s);
    for (name, value) in more.as_object().unwrap() {
        item[name] = value.clone();
    }
    item
}

/// The sort keys of a page's items.
pub fn sorts(page: &Value) -> Vec<i64> {
    let number = |item: &Value| item["s"]["N"].as_str().unwrap().parse().unwrap();
    page["Items"].as_array().unwrap().iter().map(number).collect()
}
