//! The room between its neighbours: real queues, streams, tables, topics, buses and log groups;
//! functions, tasks, buckets and API destinations that record what reaches them.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

mod neighbours;

use std::sync::Arc;
use std::time::Duration;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_dynamodb::Dynamodb;
use haar_dynamodbstreams::Streams;
use haar_events::Events;
use haar_events_contract::destinations::ApiDestinations;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{
    Auth, DataKey, Delivery, DoorParts, Doors, Kernel, KernelBuilder, NoIdentities, Principal,
    Settings,
};
use haar_kinesis::Kinesis;
use haar_kv::Kv;
use haar_ledger::{Ledger, Tables};
use haar_logs::Logs;
use haar_pipes::Pipes;
use haar_sns::Sns;
use haar_sqs::Sqs;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub use neighbours::{Bill, Destinations, Functions, Metrics, Receiver};

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);
pub const ROLE: &str = "arn:aws:iam::000000000000:role/pipes";
pub const SECOND: Duration = Duration::from_secs(1);

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

/// What outlives a process.
#[derive(Clone)]
pub struct Ground {
    pub clock: Clock,
    pub ids: IdSource,
    pub ledger: Ledger,
    pub kv: Kv,
    pub functions: Arc<Functions>,
}

/// One process.
pub struct House {
    pub doors: Doors,
    pub ground: Ground,
    pub functions: Arc<Functions>,
    pub destinations: Arc<Destinations>,
    pub receiver: Arc<Receiver>,
    pub bill: Arc<Bill>,
    pub metrics: Arc<Metrics>,
    room: Arc<Pipes>,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
    loops: Vec<JoinHandle<()>>,
}

impl Drop for House {
    /// As a crash does it: nothing is waited for.
    fn drop(&mut self) {
        self.room.stop_polling();
        for one in &self.loops {
            one.abort();
        }
    }
}

fn tables() -> Tables {
    let tables = haar_kernel::tables().and(&haar_pipes::tables()).and(&haar_kinesis::tables());
    let tables = tables.and(&haar_dynamodb::tables()).and(&haar_events::tables());
    Sqs::tables(Sns::tables(Logs::tables(tables)))
}

impl House {
    pub fn new() -> Self {
        Self::on(Ground {
            clock: Clock::simulated(BEGIN),
            ids: IdSource::seeded(7),
            ledger: Ledger::ephemeral(tables()),
            kv: Kv::ephemeral(),
            functions: Arc::default(),
        })
    }

    /// The next process on the same ground.
    pub async fn again(self) -> Self {
        let ground = self.ground.clone();
        drop(self);
        ground.clock.sleep(Duration::from_millis(10)).await;
        Self::on(ground)
    }

    pub fn on(ground: Ground) -> Self {
        let bill = Arc::new(Bill::default());
        let doors = Doors::new(DoorParts {
            clock: ground.clock.clone(),
            ids: ground.ids.clone(),
            ledger: ground.ledger.clone(),
            kv: ground.kv.clone(),
            blobs: Blobs::ephemeral(ground.ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(ground.clock.clone())),
            meter: Arc::clone(&bill) as _,
            settings: Settings { auth: Auth::Permissive, ..Settings::default() },
        });
        let (receiver, metrics) = (Arc::<Receiver>::default(), Arc::<Metrics>::default());
        let destinations = Arc::<Destinations>::default();
        doors.peeks.offer::<dyn IamPeek>(Arc::new(neighbours::Roles));
        doors.peeks.offer::<dyn haar_cloudwatch_contract::peek::MetricSink>(metrics.clone());
        for service in ["ecs", "s3"] {
            doors.targets.offer(service, Arc::clone(&receiver) as _);
        }
        let logs = Logs::open(&doors).unwrap();
        let kinesis = Kinesis::open(&doors).unwrap();
        let dynamodb = Dynamodb::open(&doors).unwrap();
        let sqs = Sqs::open(&doors).unwrap();
        let sns = Sns::open(&doors, DataKey::new(&[7; DataKey::LEN])).unwrap();
        let events = Events::open(&doors, DataKey::new(&[7; DataKey::LEN])).unwrap();
        doors.peeks.offer::<dyn ApiDestinations>(destinations.clone());
        let room = Pipes::new(&doors);
        let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities))
            .room(Arc::clone(&ground.functions), Functions::lanes)
            .room(Arc::clone(&logs), Logs::lanes)
            .room(Arc::clone(&kinesis), haar_kinesis::lanes)
            .room(Arc::clone(&dynamodb), haar_dynamodb::lanes)
            .room(Arc::new(Streams::new(&doors)), haar_dynamodbstreams::lanes)
            .room(Arc::clone(&sqs), Sqs::lanes)
            .room(Arc::clone(&sns), Sns::lanes)
            .room(Arc::clone(&events), haar_events::lanes)
            .room(Arc::clone(&room), haar_pipes::lanes)
            .build();
        sns.start().unwrap();
        events.start().unwrap();
        let loops = vec![tokio::spawn(Arc::clone(&room).run()), tokio::spawn(logs.run())];
        let cx = ActCx::new(doors.ledger.clone(), ground.clock.clone(), ground.ids.clone());
        let driver = Driver::new(cx)
            .add(room.controller())
            .add(dynamodb.tables())
            .add(Arc::new(haar_kinesis::controllers::Streams::new(kinesis)))
            .add(Arc::new(Delivery::new(doors.outbox.clone())))
            .run();
        Self {
            doors,
            functions: Arc::clone(&ground.functions),
            ground,
            destinations,
            receiver,
            bill,
            metrics,
            room,
            _kernel: kernel,
            _driver: driver,
            loops,
        }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input: O::Input = serde_json::from_value(input).unwrap();
        let principal = Arc::new(Principal::root(AccountId::default()));
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

    pub fn reset(&self) {
        self.room.forget();
    }

    /// Makes a pipe and waits until it is settled; answers what it is then.
    pub async fn pipe(&self, name: &str, source: &str, target: &str, more: Value) -> Value {
        self.ok::<haar_pipes_contract::CreatePipe>(pipe(name, source, target, more)).await;
        self.pass(SECOND).await;
        self.described(name).await
    }

    pub async fn described(&self, name: &str) -> Value {
        self.ok::<haar_pipes_contract::DescribePipe>(json!({ "Name": name })).await
    }

    /// Makes queues; answers their ARNs.
    pub async fn queues(&self, names: &[&str]) -> Vec<String> {
        for name in names {
            let mut input = json!({ "QueueName": name });
            if name.ends_with(".fifo") {
                input["Attributes"] = json!({ "FifoQueue": "true" });
            }
            self.ok::<haar_sqs_contract::CreateQueue>(input).await;
        }
        names.iter().map(|name| arn("sqs", name)).collect()
    }

    pub async fn send(&self, queue: &str, bodies: &[&str]) {
        for body in bodies {
            let input = json!({ "QueueUrl": url(queue), "MessageBody": body });
            self.ok::<haar_sqs_contract::SendMessage>(input).await;
        }
    }

    /// Messages of a queue that nobody has now, with all their attributes.
    pub async fn messages(&self, queue: &str) -> Vec<Value> {
        let input = json!({
            "QueueUrl": url(queue),
            "MaxNumberOfMessages": 10,
            "MessageSystemAttributeNames": ["All"],
        });
        let told = self.ok::<haar_sqs_contract::ReceiveMessage>(input).await;
        told["Messages"].as_array().cloned().unwrap_or_default()
    }

    pub async fn bodies(&self, queue: &str) -> Vec<String> {
        let body = |message: &Value| message["Body"].as_str().unwrap().to_owned();
        self.messages(queue).await.iter().map(body).collect()
    }

    /// Messages that are there, seen or not.
    pub async fn count(&self, queue: &str) -> u32 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let input = json!({ "QueueUrl": url(queue), "AttributeNames": names });
        let told = self.ok::<haar_sqs_contract::GetQueueAttributes>(input).await;
        let number =
            |name: &&str| told["Attributes"][*name].as_str().unwrap().parse::<u32>().unwrap();
        names.iter().map(number).sum()
    }

    /// Makes a data stream of one shard.
    pub async fn stream(&self, name: &str) -> String {
        let input = json!({ "StreamName": name, "ShardCount": 1 });
        self.ok::<haar_kinesis_contract::CreateStream>(input).await;
        self.pass(SECOND).await;
        arn("kinesis", &format!("stream/{name}"))
    }

    pub async fn put(&self, stream: &str, key: &str, data: &str) {
        let input = haar_kinesis_contract::PutRecordInput {
            stream_name: Some(stream.to_owned()),
            partition_key: key.to_owned(),
            data: data.to_owned().into(),
            ..Default::default()
        };
        let principal = Arc::new(Principal::root(AccountId::default()));
        let region = Region::default();
        let put = self.doors.call::<haar_kinesis_contract::PutRecord>(principal, &region, input);
        put.await.unwrap();
    }
}

pub fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:us-east-1:000000000000:{resource}")
}

pub fn function(name: &str) -> String {
    arn("lambda", &format!("function:{name}"))
}

fn url(queue: &str) -> String {
    format!("http://localhost/000000000000/{queue}")
}

/// The input of a pipe.
pub fn pipe(name: &str, source: &str, target: &str, more: Value) -> Value {
    let mut input = json!({ "Name": name, "Source": source, "Target": target, "RoleArn": ROLE });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}
