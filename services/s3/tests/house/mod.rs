//! The room behind a kernel, in memory and on simulated time, with its controller at work.

#![allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_kernel::{
    DoorParts, Doors, HoldsBlobs, Kernel, KernelBuilder, Meter, NoIdentities, Principal, Settings,
    UsageRecord,
};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_ledger::store::MemoryStore;
use haar_s3::S3;
use haar_s3_contract::model::*;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::{AwsError, Kind, Member, Operation, Schema};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

pub struct House {
    pub doors: Doors,
    pub room: Arc<S3>,
    pub queue: Arc<Queue>,
    pub bill: Arc<Bill>,
    pub kernel: Arc<Kernel>,
    _driver: DriverHandle,
    work: tokio::task::JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// A queue that takes all, or as many refusals as it was given first.
#[derive(Default)]
pub struct Queue {
    pub taken: Mutex<Vec<Value>>,
    pub refusals: Mutex<Vec<bool>>,
}

impl Target for Queue {
    fn deliver<'a>(&'a self, sent: &'a Consignment) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            if let Some(is_transient) = self.refusals.lock().pop() {
                let (code, message) = ("Refused".to_owned(), "not now".to_owned());
                return Err(Undelivered { code, message, is_transient });
            }
            self.taken.lock().push(serde_json::from_slice(&sent.body).unwrap());
            Ok(())
        })
    }
}

/// What was metered: sums by kind.
#[derive(Default)]
pub struct Bill(Mutex<BTreeMap<&'static str, u64>>);

impl Bill {
    pub fn sum(&self, kind: &str) -> u64 {
        self.0.lock().get(kind).copied().unwrap_or_default()
    }
}

impl Meter for Bill {
    fn record(&self, record: UsageRecord) {
        for (kind, quantity) in record.quantities {
            *self.0.lock().entry(kind).or_default() += quantity;
        }
    }
}

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

fn words(error: &AwsError) -> Refused {
    (error.name().to_owned(), error.message().to_owned())
}

impl House {
    pub fn new() -> Self {
        Self::over(Ledger::ephemeral(haar_kernel::tables().and(&haar_s3::tables())))
    }

    /// Its rows are on disk, and seen, when the ledger is told to flush.
    pub fn unflushed() -> Self {
        let tables = haar_kernel::tables().and(&haar_s3::tables());
        Self::over(Ledger::open_manual(tables, Arc::new(MemoryStore::new())).unwrap())
    }

    fn over(ledger: Ledger) -> Self {
        let (clock, ids) = (Clock::simulated(BEGIN), IdSource::seeded(7));
        let bill = Arc::new(Bill::default());
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger,
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: bill.clone(),
            settings: Settings::default(),
        });
        let room = S3::open(&doors).unwrap();
        let queue = Arc::new(Queue::default());
        doors.targets.offer("sqs", Arc::clone(&queue) as _);
        doors.targets.offer("events", Arc::clone(&queue) as _);
        let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities))
            .room(Arc::clone(&room), haar_s3::lanes)
            .build();
        room.start().unwrap();
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let driver = Driver::new(cx).add(room.lifecycles()).run();
        #[allow(clippy::disallowed_methods)] // the wiring's part
        let work = tokio::spawn(room.run());
        Self { doors, room, queue, bill, kernel, _driver: driver, work }
    }

    /// Calls an operation with its input as it is.
    pub async fn raw<O: Operation>(&self, input: O::Input) -> Result<O::Output, Refused> {
        self.raw_as::<O>(AccountId::default(), input).await
    }

    /// The same as another account.
    pub async fn raw_as<O: Operation>(
        &self,
        account: AccountId,
        input: O::Input,
    ) -> Result<O::Output, Refused> {
        let principal = Arc::new(Principal::root(account));
        let answer = self.doors.call::<O>(principal, &Region::default(), input).await;
        answer.map_err(|error| words(&error))
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input = renamed(O::SCHEMA.input, input, |member| (member.name, member.wire));
        let output = self.raw::<O>(serde_json::from_value(input).unwrap()).await?;
        let output = serde_json::to_value(&output).unwrap();
        Ok(renamed(O::SCHEMA.output, output, |member| (member.wire, member.name)))
    }

    /// The same where nothing may fail.
    pub async fn ok<O: Operation>(&self, input: Value) -> Value
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call::<O>(input).await.unwrap()
    }

    /// Puts an object into the bucket `bbb`.
    pub async fn put(&self, key: &str, body: impl Into<Bytes>) -> PutObjectOutput {
        self.raw::<PutObject>(put(key, body)).await.unwrap()
    }

    /// The bytes of an object of the bucket `bbb`.
    pub async fn get(&self, key: &str, version_id: Option<&str>) -> Result<Bytes, Refused> {
        let input = GetObjectRequest {
            bucket: "bbb".to_owned(),
            key: key.to_owned(),
            version_id: version_id.map(str::to_owned),
            ..Default::default()
        };
        let output = self.raw::<GetObject>(input).await?;
        Ok(haar_s3_contract::whole(output, 1 << 30).await.unwrap())
    }

    /// Keys and ids of all versions of the bucket `bbb`; markers end with `!`.
    pub async fn versions(&self) -> Vec<String> {
        let input = ListObjectVersionsRequest { bucket: "bbb".to_owned(), ..Default::default() };
        let listed = self.raw::<ListObjectVersions>(input).await.unwrap();
        let objects = listed.versions.into_iter().flatten().map(|one| one.key.unwrap());
        let markers = listed.delete_markers.into_iter().flatten();
        objects.chain(markers.map(|one| format!("{}!", one.key.unwrap()))).collect()
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.doors.clock.sleep(time).await;
    }

    /// Records of so many keyspaces together.
    pub fn records(&self, keyspaces: &[&'static str]) -> usize {
        let count = |name: &&'static str| self.doors.kv.keyspace(name).unwrap().all().count();
        keyspaces.iter().map(count).sum()
    }

    /// Removes blobs that nothing needs and nobody put in the last five minutes; how many.
    pub fn sweep(&self) -> usize {
        let held = || {
            let mut held = BTreeSet::new();
            self.room.held_blobs(&self.doors.ledger.snapshot(), &mut held);
            held
        };
        self.doors.blobs.sweep(Duration::from_secs(300), || Some(held())).unwrap()
    }

    /// Blobs that objects need.
    pub fn held(&self) -> usize {
        let mut held = BTreeSet::new();
        self.room.held_blobs(&self.doors.ledger.snapshot(), &mut held);
        held.len()
    }
}

/// JSON with members by other names: the model's are for people, the wire's for the codec.
fn renamed(
    schema: &'static Schema,
    json: Value,
    names: fn(&'static Member) -> (&'static str, &'static str),
) -> Value {
    match (schema.kind, json) {
        (Kind::List(list), Value::Array(items)) => {
            items.into_iter().map(|item| renamed(list.item.schema, item, names)).collect()
        }
        (Kind::Structure(shape), Value::Object(members)) => {
            let renamed = members.into_iter().map(|(key, value)| {
                let member = shape.members.iter().find(|member| names(member).0 == key);
                let member = member.unwrap_or_else(|| panic!("no member {key}"));
                (names(member).1.to_owned(), renamed(member.schema, value, names))
            });
            Value::Object(renamed.collect())
        }
        (_, json) => json,
    }
}

/// An object for the bucket `bbb`.
pub fn put(key: &str, body: impl Into<Bytes>) -> PutObjectRequest {
    PutObjectRequest {
        bucket: "bbb".to_owned(),
        key: key.to_owned(),
        body: body.into().into(),
        ..Default::default()
    }
}
