//! A queue, a stream and a consumer in memory, on simulated time.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_clock::{Clock, Moment};
use haar_poller::*;
use haar_types::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

/// When every story begins.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

pub fn item(id: &str, group: &str, at: Timestamp) -> Item {
    Item {
        id: id.to_owned(),
        record: json!({ "id": id }),
        group: group.to_owned(),
        at,
        size: 10,
        handle: id.to_owned(),
        is_wanted: !id.ends_with("unwanted"),
    }
}

/// Messages that are hidden for a while when they are received.
pub struct MemoryQueue {
    pub clock: Clock,
    pub visibility: Duration,
    pub keeps_order: AtomicBool,
    pub messages: Mutex<Vec<(Item, Moment)>>,
    pub receives: Mutex<BTreeMap<String, u32>>,
    pub grown: watch::Sender<u64>,
}

impl MemoryQueue {
    pub fn new(clock: &Clock, visibility: Duration) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            visibility,
            keeps_order: AtomicBool::new(false),
            messages: Mutex::default(),
            receives: Mutex::default(),
            grown: watch::Sender::new(0),
        })
    }

    pub fn send(&self, id: &str) {
        self.send_sized(id, "", 10);
    }

    /// The same of a group, of that many bytes.
    pub fn send_sized(&self, id: &str, group: &str, size: usize) {
        let item = Item { size, ..item(id, group, self.clock.now()) };
        self.messages.lock().push((item, self.clock.moment()));
        self.grown.send_modify(|count| *count += 1);
    }

    pub fn left(&self) -> usize {
        self.messages.lock().len()
    }

    fn visible(&self, most: usize) -> Vec<Item> {
        let now = self.clock.moment();
        let mut messages = self.messages.lock();
        let visible = messages.iter_mut().filter(|(_, at)| *at <= now).take(most);
        let found: Vec<Item> = visible
            .map(|(item, at)| {
                *at = now.after(self.visibility);
                item.clone()
            })
            .collect();
        for item in &found {
            *self.receives.lock().entry(item.id.clone()).or_default() += 1;
        }
        found
    }
}

impl Queue for MemoryQueue {
    fn receive(
        &self,
        most: usize,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Item>, SourceError>> {
        Box::pin(async move {
            let end = self.clock.moment().after(wait);
            loop {
                let mut grown = self.grown.subscribe();
                let found = self.visible(most);
                if !found.is_empty() || self.clock.moment() >= end {
                    return Ok(found);
                }
                let beat = self.clock.moment().after(Duration::from_millis(100)).min(end);
                tokio::select! {
                    _ = grown.changed() => {}
                    () = self.clock.sleep_until(beat) => {}
                }
            }
        })
    }

    fn delete<'a>(&'a self, items: &'a [Item]) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let gone = |one: &Item| items.iter().any(|item| item.id == one.id);
            self.messages.lock().retain(|(item, _)| !gone(item));
            Ok(())
        })
    }

    fn keeps_order(&self) -> bool {
        self.keeps_order.load(Ordering::Relaxed)
    }

    fn visibility(&self) -> BoxFuture<'_, Duration> {
        Box::pin(async { self.visibility })
    }
}

#[derive(Default)]
pub struct MemoryShard {
    pub parents: Vec<String>,
    pub items: Vec<Item>,
    pub is_closed: bool,
}

/// Shards of records; numbers are counted over all of them.
pub struct MemoryStream {
    pub clock: Clock,
    pub shards: Mutex<BTreeMap<String, MemoryShard>>,
    pub count: Mutex<u64>,
    pub grown: watch::Sender<u64>,
    /// Records that were ever read.
    pub read: Mutex<usize>,
}

impl MemoryStream {
    pub fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            shards: Mutex::default(),
            count: Mutex::new(99),
            read: Mutex::default(),
            grown: watch::Sender::new(0),
        })
    }

    pub fn open(&self, shard: &str, parents: &[&str]) {
        let parents = parents.iter().map(|one| (*one).to_owned()).collect();
        let shard_row = MemoryShard { parents, ..MemoryShard::default() };
        self.shards.lock().insert(shard.to_owned(), shard_row);
        self.grown.send_modify(|count| *count += 1);
    }

    pub fn close(&self, shard: &str) {
        self.shards.lock().get_mut(shard).unwrap().is_closed = true;
        self.grown.send_modify(|count| *count += 1);
    }

    /// Puts a record; its text is in `record`.
    pub fn put(&self, shard: &str, key: &str, text: &str) -> String {
        self.put_sized(shard, key, text, 10)
    }

    /// The same, of that many bytes.
    pub fn put_sized(&self, shard: &str, key: &str, text: &str, size: usize) -> String {
        let mut count = self.count.lock();
        *count += 1;
        let mut item = item(&count.to_string(), key, self.clock.now());
        item.record = json!(text);
        item.size = size;
        item.is_wanted = text != "unwanted";
        let id = item.id.clone();
        self.shards.lock().get_mut(shard).unwrap().items.push(item);
        self.grown.send_modify(|count| *count += 1);
        id
    }
}

impl Stream for MemoryStream {
    fn shards(&self) -> BoxFuture<'_, Result<Vec<ShardFacts>, SourceError>> {
        Box::pin(async {
            let shards = self.shards.lock();
            let facts = shards
                .iter()
                .map(|(id, shard)| ShardFacts { id: id.clone(), parents: shard.parents.clone() });
            Ok(facts.collect())
        })
    }

    fn place<'a>(
        &'a self,
        shard: &'a str,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(async move {
            let shards = self.shards.lock();
            let items = &shards[shard].items;
            let first = match position {
                Position::Horizon => 0,
                Position::Latest => items.len(),
                Position::At(time) => items.partition_point(|item| item.at < *time),
                Position::After(id) => {
                    let id: u64 = id.parse().unwrap();
                    items.partition_point(|item| item.id.parse::<u64>().unwrap() <= id)
                }
            };
            Ok(first.to_string())
        })
    }

    fn read<'a>(
        &'a self,
        shard: &'a str,
        place: &'a str,
        most: usize,
    ) -> BoxFuture<'a, Result<Portion, SourceError>> {
        Box::pin(async move {
            let shards = self.shards.lock();
            let from: usize = place.parse().unwrap();
            let shard = &shards[shard];
            let items: Vec<Item> = shard.items.iter().skip(from).take(most).cloned().collect();
            let next = from + items.len();
            *self.read.lock() += items.len();
            let is_over = shard.is_closed && next == shard.items.len();
            Ok(Portion { items, next: (!is_over).then(|| next.to_string()) })
        })
    }

    fn grown(&self) -> Option<watch::Receiver<u64>> {
        Some(self.grown.subscribe())
    }

    fn latest(&self, _shard: &str) -> Position {
        Position::After(self.count.lock().to_string())
    }
}

/// One batch as the consumer had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Had {
    pub texts: Vec<String>,
    pub shard: Option<String>,
    pub window: Option<WindowFacts>,
}

/// Answers as it is told, takes a while, and remembers.
#[derive(Default)]
pub struct MemoryConsumer {
    pub clock: Option<Clock>,
    pub takes: Duration,
    /// Fails batches that hold such a text.
    pub poison: Mutex<BTreeSet<String>>,
    /// What it answers next, before all else.
    pub answers: Mutex<VecDeque<Taken>>,
    /// Answers `batchItemFailures` for these instead of failing.
    pub reports: bool,
    /// What it answers as its window's state: the texts that it had.
    pub keeps_state: bool,
    /// Never answers batches that hold such a text.
    pub stuck: Mutex<BTreeSet<String>>,
    /// Nobody hears of what is given up.
    pub is_deaf: bool,
    pub had: Mutex<Vec<Had>>,
    pub discarded: Mutex<Vec<(Vec<String>, String, u32)>>,
    pub notes: Mutex<Vec<String>>,
    pub now: Mutex<(usize, usize)>,
}

fn text(item: &Item) -> String {
    item.record.as_str().map_or_else(|| item.id.clone(), str::to_owned)
}

impl MemoryConsumer {
    pub fn texts(&self) -> Vec<String> {
        self.had.lock().iter().flat_map(|had| had.texts.clone()).collect()
    }

    pub fn batches(&self) -> Vec<Vec<String>> {
        self.had.lock().iter().map(|had| had.texts.clone()).collect()
    }

    fn answer(&self, delivery: &Delivery<'_>) -> Taken {
        if let Some(answer) = self.answers.lock().pop_front() {
            return answer;
        }
        let poison = self.poison.lock();
        let bad: Vec<&Item> =
            delivery.items.iter().filter(|item| poison.contains(&text(item))).collect();
        if self.reports {
            let failures: Vec<Value> =
                bad.iter().map(|item| json!({ "itemIdentifier": item.id })).collect();
            let answer = json!({ "batchItemFailures": failures }).to_string();
            return Taken::Answered(Bytes::from(answer), json!({}));
        }
        if !bad.is_empty() {
            return Taken::Failed(json!({ "requestId": "r" }));
        }
        let mut answer = json!({});
        if let Some(window) = delivery.window.filter(|_| self.keeps_state) {
            let mut seen = window.state["seen"].as_array().cloned().unwrap_or_default();
            seen.extend(delivery.items.iter().map(|item| json!(text(item))));
            answer["state"] = json!({ "seen": seen });
        }
        Taken::Answered(Bytes::from(answer.to_string()), json!({}))
    }
}

impl Consumer for MemoryConsumer {
    fn take<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Taken> {
        Box::pin(async move {
            self.had.lock().push(Had {
                texts: delivery.items.iter().map(text).collect(),
                shard: delivery.shard.map(str::to_owned),
                window: delivery.window.cloned(),
            });
            {
                let mut now = self.now.lock();
                now.0 += 1;
                now.1 = now.1.max(now.0);
            }
            let is_stuck = {
                let stuck = self.stuck.lock();
                delivery.items.iter().any(|item| stuck.contains(&text(item)))
            };
            if is_stuck {
                std::future::pending::<()>().await;
            }
            if let Some(clock) = &self.clock {
                clock.sleep(self.takes).await;
            }
            self.now.lock().0 -= 1;
            self.answer(&delivery)
        })
    }

    fn discard<'a>(&'a self, discarded: Discarded<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if self.is_deaf {
                std::future::pending::<()>().await;
            }
            let texts = discarded.items.iter().map(text).collect();
            let told = (texts, discarded.condition.to_owned(), discarded.attempt_count);
            self.discarded.lock().push(told);
        })
    }

    fn note(&self, result: &str) {
        self.notes.lock().push(result.to_owned());
    }
}
