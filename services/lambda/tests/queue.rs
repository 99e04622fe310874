//! Asynchronous events through the queue.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use haar_clock::Clock;
use haar_kv::Kv;
use haar_lambda::fleet::{ConcurrencyLimits, FunctionTarget};
use haar_lambda::invoke::*;
use haar_types::{AccountId, Region, RequestId};
use parking_lot::Mutex;
use serde_json::{Value, json};
use support::Cloud;

#[derive(Default)]
struct Neighbours {
    functions: Mutex<BTreeMap<String, (FunctionTarget, AsyncConfig)>>,
    delivered: Mutex<Vec<(String, Value)>>,
    /// A function that no role may invoke.
    forbidden: Mutex<Option<String>>,
}

impl FunctionDirectory for Neighbours {
    fn find(&self, _: &AccountId, _: &Region, name: &str, _: Option<&str>) -> Option<AsyncTarget> {
        let (target, config) = self.functions.lock().get(name)?.clone();
        let limits = ConcurrencyLimits::default();
        Some(AsyncTarget { target: Arc::new(target), limits, alias: None, config })
    }

    fn may_invoke(&self, sender: &EventSender<'_>, arn: &str) -> Result<(), String> {
        match self.forbidden.lock().as_deref() == Some(arn) {
            true => Err(format!("{} may not", sender.role_arn)),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl EventTarget for Neighbours {
    async fn deliver(
        &self,
        _: &EventSender<'_>,
        arn: &str,
        body: Bytes,
        _: &[(&str, String)],
    ) -> Result<(), String> {
        self.delivered.lock().push((arn.to_owned(), serde_json::from_slice(&body).unwrap()));
        Ok(())
    }
}

fn queue(cloud: &Cloud, neighbours: &Arc<Neighbours>, kv: &Kv) -> AsyncQueue {
    AsyncQueue::open(QueueParts {
        fleet: cloud.fleet.clone(),
        directory: neighbours.clone(),
        targets: neighbours.clone(),
        kv: kv.clone(),
        clock: Clock::system(),
        metrics: cloud.sinks.clone(),
        settings: QueueSettings { wait_divisor: 100_000, working_max: 4 },
    })
    .unwrap()
}

fn event(queue: &AsyncQueue, target: &FunctionTarget, payload: Value) -> AsyncEvent {
    let id = RequestId::new(haar_clock::IdSource::system().uuid());
    let place = (&target.account, &target.region);
    queue.event(&id, place, &target.function_name, None, Bytes::from(payload.to_string()))
}

async fn emptied(queue: &AsyncQueue) {
    while !queue.is_empty().unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn know(neighbours: &Neighbours, target: &FunctionTarget, config: AsyncConfig) {
    let known = (target.clone(), config);
    neighbours.functions.lock().insert(target.function_name.clone(), known);
}

const COUNTING: &str = "def handler(event, context):\n    print('attempt', event)\n    \
                        raise ValueError('no')\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_event_is_tried_three_times_then_recorded() {
    let (cloud, neighbours) = (Cloud::new(), Arc::new(Neighbours::default()));
    let queue = queue(&cloud, &neighbours, &Kv::ephemeral());
    let failing = cloud.python(COUNTING);
    let arn = "arn:aws:sqs:us-east-1:000000000000:failures".to_owned();
    let config = AsyncConfig { on_failure: Some(arn.clone()), ..AsyncConfig::default() };
    know(&neighbours, &failing, config);
    queue.accept(event(&queue, &failing, json!(7))).await.unwrap();
    emptied(&queue).await;
    let delivered = neighbours.delivered.lock().clone();
    assert_eq!((delivered.len(), &delivered[0].0), (1, &arn));
    let record = &delivered[0].1;
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(record["requestPayload"], 7);
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorType"], "ValueError");
    cloud.fleet.shut_down().await;
    let attempts = cloud.log().iter().filter(|line| *line == "attempt 7").count();
    assert_eq!(attempts, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn success_is_told_to_another_function() {
    let (cloud, neighbours) = (Cloud::new(), Arc::new(Neighbours::default()));
    let queue = queue(&cloud, &neighbours, &Kv::ephemeral());
    let first = cloud.python("def handler(event, context):\n    return event + 1\n");
    let second = cloud.python(
        "def handler(event, context):\n    print('told', event['responsePayload'], \
         event['requestContext']['condition'])\n",
    );
    let config = AsyncConfig { on_success: Some(second.arn()), ..AsyncConfig::default() };
    know(&neighbours, &first, config);
    know(&neighbours, &second, AsyncConfig::default());
    queue.accept(event(&queue, &first, json!(1))).await.unwrap();
    emptied(&queue).await;
    cloud.fleet.shut_down().await;
    assert!(cloud.log().iter().any(|line| line == "told 2 Success"), "{:?}", cloud.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_told_only_as_a_role_that_may_invoke_it() {
    let (cloud, neighbours) = (Cloud::new(), Arc::new(Neighbours::default()));
    let queue = queue(&cloud, &neighbours, &Kv::ephemeral());
    let first = cloud.python("def handler(event, context):\n    return event\n");
    let second = cloud.python("def handler(event, context):\n    print('told')\n");
    let config = AsyncConfig { on_success: Some(second.arn()), ..AsyncConfig::default() };
    *neighbours.forbidden.lock() = Some(second.arn());
    know(&neighbours, &first, config);
    know(&neighbours, &second, AsyncConfig::default());
    queue.accept(event(&queue, &first, json!(1))).await.unwrap();
    emptied(&queue).await;
    cloud.fleet.shut_down().await;
    assert!(!cloud.log().iter().any(|line| line == "told"), "{:?}", cloud.log());
    let failures = ("DestinationDeliveryFailures".to_owned(), 1.0);
    assert!(cloud.sinks.metrics.lock().contains(&failures));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_takes_its_time_holds_no_other_up() {
    let (cloud, neighbours) = (Cloud::new(), Arc::new(Neighbours::default()));
    let queue = queue(&cloud, &neighbours, &Kv::ephemeral());
    let slow = cloud.python(
        "import time\ndef handler(event, context):\n    print('slow')\n    time.sleep(60)\n",
    );
    let quick = cloud.python("def handler(event, context):\n    print('quick')\n");
    know(&neighbours, &slow, AsyncConfig::default());
    know(&neighbours, &quick, AsyncConfig::default());
    for _ in 0..8 {
        queue.accept(event(&queue, &slow, json!(0))).await.unwrap();
    }
    queue.accept(event(&queue, &quick, json!(0))).await.unwrap();
    while queue.len().unwrap() > 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cloud.fleet.shut_down().await;
    let log = cloud.log();
    assert!(log.iter().any(|line| line == "quick"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_outlive_their_server() {
    let dir = tempfile::tempdir().unwrap();
    let (cloud, neighbours) = (Cloud::new(), Arc::new(Neighbours::default()));
    let function = cloud.python("def handler(event, context):\n    print('got', event)\n");
    {
        let kv = Kv::open(dir.path()).unwrap();
        let queue = queue(&cloud, &neighbours, &kv);
        let mut later = event(&queue, &function, json!("later"));
        later.due_at = later.due_at + Duration::from_millis(300);
        queue.accept(later).await.unwrap();
    }
    know(&neighbours, &function, AsyncConfig::default());
    let kv = open_again(dir.path()).await;
    let queue = queue(&cloud, &neighbours, &kv);
    assert_eq!(queue.len().unwrap(), 1);
    emptied(&queue).await;
    cloud.fleet.shut_down().await;
    assert!(cloud.log().iter().any(|line| line == "got later"));
}

/// An event that a former haar left while its function had it, for the so-manieth time.
async fn left_running(kv: &Kv, mut event: AsyncEvent, interrupted_count: u32) {
    event.is_running = true;
    event.interrupted_count = interrupted_count;
    let (key, record) = (event.request_id.clone(), serde_json::to_vec(&event).unwrap());
    let mut batch = haar_kv::Batch::new();
    batch.put(&kv.keyspace("lambda.async").unwrap(), key.into_bytes(), record);
    kv.commit(batch, haar_kv::Durability::Synced).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_haar_cut_short_is_no_failure_but_does_not_come_back_for_ever() {
    let (cloud, neighbours, kv) = (Cloud::new(), Arc::new(Neighbours::default()), Kv::ephemeral());
    let failing = cloud.python(COUNTING);
    let arn = "arn:aws:sqs:us-east-1:000000000000:failures".to_owned();
    let config = AsyncConfig { on_failure: Some(arn), ..AsyncConfig::default() };
    know(&neighbours, &failing, config);
    {
        let template = queue(&cloud, &neighbours, &Kv::ephemeral());
        left_running(&kv, event(&template, &failing, json!("often")), 4).await;
        left_running(&kv, event(&template, &failing, json!("too often")), 10).await;
    }
    let queue = queue(&cloud, &neighbours, &kv);
    emptied(&queue).await;
    cloud.fleet.shut_down().await;
    let mut counts: Vec<(String, u64)> = neighbours
        .delivered
        .lock()
        .iter()
        .map(|(_, record)| {
            let count = record["requestContext"]["approximateInvokeCount"].as_u64().unwrap();
            (record["requestPayload"].as_str().unwrap().to_owned(), count)
        })
        .collect();
    counts.sort();
    assert_eq!(counts, [("often".to_owned(), 8), ("too often".to_owned(), 11)]);
    let log = cloud.log();
    assert_eq!(log.iter().filter(|line| *line == "attempt often").count(), 3);
    assert!(!log.iter().any(|line| line.contains("too often")));
}

/// The first queue's loop holds the store until it notices that nobody holds the queue.
async fn open_again(path: &Path) -> Kv {
    loop {
        match Kv::open(path) {
            Ok(kv) => return kv,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

const SLOW: &str = "import time\ndef handler(event, context):\n    print('attempt', flush=True)\n    \
                    time.sleep(0.3)\n    raise ValueError('no')\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_reset_forgets_while_it_runs_does_not_come_back() {
    let (cloud, neighbours) = (Cloud::new(), Arc::new(Neighbours::default()));
    let queue = queue(&cloud, &neighbours, &Kv::ephemeral());
    let slow = cloud.python(SLOW);
    know(&neighbours, &slow, AsyncConfig::default());
    queue.accept(event(&queue, &slow, json!(1))).await.unwrap();
    told(&cloud, "attempt").await;
    queue.clear().unwrap();
    told(&cloud, "REPORT").await;
    for _ in 0..20 {
        assert!(queue.is_empty().unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn told(cloud: &Cloud, beginning: &str) {
    while !cloud.log().iter().any(|line| line.starts_with(beginning)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
