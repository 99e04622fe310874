//! Concurrent conditional writes happen one after another: histories of many writers on a few
//! keys, on several threads, each checked against a register that knows one writer at a time.

#![allow(clippy::unwrap_used)]

mod house;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use haar_dynamodb_contract::*;
use house::{House, key};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Writers at work at a time.
const WRITERS: u64 = 8;

/// Writes of each.
const WRITES: u64 = 40;

/// Keys that they write to.
const KEYS: u64 = 3;

/// One operation on a register.
#[derive(Clone, Debug)]
enum Deed {
    /// Set from one value to another, where the condition held or not.
    Swap { from: Option<u64>, to: u64, held: bool },
    /// Read this.
    Read(Option<u64>),
}

/// An operation with when it was called and answered.
#[derive(Clone, Debug)]
struct Event {
    called: u64,
    answered: u64,
    deed: Deed,
}

async fn read(house: &House, register: u64) -> Option<u64> {
    let item = house.get("tab", &format!("k{register}"), 0).await;
    item["v"]["N"].as_str().map(|text| text.parse().unwrap())
}

async fn swap(house: &House, register: u64, from: Option<u64>, to: u64, by_put: bool) -> bool {
    let place = key(&format!("k{register}"), 0);
    let mut values = json!({ ":to": { "N": to.to_string() } });
    let condition = match from {
        None => "attribute_not_exists(p)",
        Some(from) => {
            values[":from"] = json!({ "N": from.to_string() });
            "v = :from"
        }
    };
    let done = if by_put {
        let mut item = place;
        item["v"] = json!({ "N": to.to_string() });
        let mut input =
            json!({ "TableName": "tab", "Item": item, "ConditionExpression": condition });
        if let Some(from) = from {
            input["ExpressionAttributeValues"] = json!({ ":from": { "N": from.to_string() } });
        }
        house.call::<PutItem>(input).await
    } else {
        let input = json!({ "TableName": "tab", "Key": place, "UpdateExpression": "SET v = :to",
            "ConditionExpression": condition, "ExpressionAttributeValues": values });
        house.call::<UpdateItem>(input).await
    };
    match done {
        Ok(Value::Object(_)) => true,
        Err((name, _)) if name == "ConditionalCheckFailedException" => false,
        other => panic!("{other:?}"),
    }
}

/// Wing and Gong's search: takes, among the operations that may come first, one that the
/// register allows, and goes on without it; remembers where it has been.
fn is_linearizable(history: &[Event]) -> bool {
    let mut seen = BTreeSet::new();
    let mut stack = vec![(0_usize, BTreeSet::<usize>::new(), None::<u64>)];
    let mut order: Vec<usize> = (0..history.len()).collect();
    order.sort_by_key(|at| history[*at].called);
    while let Some((first, done, value)) = stack.pop() {
        // what comes before `first` in the order of calls is done; `done` holds the rest
        if first == order.len() {
            return true;
        }
        if !seen.insert((first, done.clone(), value)) {
            continue;
        }
        let open = || (first..order.len()).filter(|place| !done.contains(place));
        let Some(limit) = open().map(|place| history[order[place]].answered).min() else {
            return true;
        };
        for place in open().take_while(|place| history[order[*place]].called <= limit) {
            let next = match history[order[place]].deed {
                Deed::Swap { from, to, held: true } if from == value => Some(to),
                Deed::Swap { from, held: false, .. } if from != value => value,
                Deed::Read(found) if found == value => value,
                _ => continue,
            };
            let mut done = done.clone();
            done.insert(place);
            let mut first = first;
            while done.remove(&first) {
                first += 1;
            }
            stack.push((first, done, next));
        }
    }
    false
}

async fn write(
    house: Arc<House>,
    writer: u64,
    time: Arc<AtomicU64>,
    all: Arc<Mutex<Vec<Vec<Event>>>>,
) {
    let tick = || time.fetch_add(1, Ordering::SeqCst);
    for number in 0..WRITES {
        let register = (writer + number * number) % KEYS;
        let note = |called, deed| {
            all.lock()[register as usize].push(Event { called, answered: tick(), deed });
        };
        let called = tick();
        let from = read(&house, register).await;
        note(called, Deed::Read(from));
        tokio::task::yield_now().await;
        let (to, called) = (writer * 1_000 + number + 1, tick());
        let held = swap(&house, register, from, to, number % 2 == 0).await;
        note(called, Deed::Swap { from, to, held });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_conditional_writes_are_linearizable() {
    let house = Arc::new(House::new());
    house.table("tab", json!({})).await;
    let (time, all) = (Arc::default(), Arc::new(Mutex::new(vec![Vec::new(); KEYS as usize])));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(Arc::clone(&house), writer, Arc::clone(&time), Arc::clone(&all)));
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let all = all.lock();
    let held = all.iter().flatten().filter(|it| matches!(it.deed, Deed::Swap { held: true, .. }));
    assert!(held.count() > 0);
    for history in all.iter() {
        assert!(is_linearizable(history), "{history:#?}");
    }
}

#[test]
fn a_lost_update_is_not_linearizable() {
    let event = |called, answered, deed| Event { called, answered, deed };
    let swap = |from, to| Deed::Swap { from, to, held: true };
    // two writers both replaced "nothing"
    let lost = [event(0, 3, swap(None, 1)), event(1, 2, swap(None, 2))];
    assert!(!is_linearizable(&lost));
    // a read before a write that was answered earlier
    let stale = [event(0, 1, swap(None, 1)), event(2, 3, Deed::Read(None))];
    assert!(!is_linearizable(&stale));
    let fine = [event(0, 3, swap(None, 1)), event(1, 2, Deed::Read(None))];
    assert!(is_linearizable(&fine));
}
