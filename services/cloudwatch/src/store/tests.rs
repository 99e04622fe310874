use std::sync::Arc;
use std::time::Duration;

use haar_clock::IdSource;
use haar_kv::Kv;
use haar_types::{AccountId, Region, Timestamp};

use super::{HERE_COUNT_MAX, MetricKey, MetricStore, Point, Span, encode};
use crate::rules::digest::Digest;
use crate::rules::period::Resolution;
use crate::rules::unit::Unit;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const NOON: Timestamp = Timestamp(1_799_971_200_000);

fn store(kv: &Kv) -> MetricStore {
    MetricStore::open(kv, &IdSource::seeded(1)).unwrap()
}

fn metric(name: &str) -> MetricKey {
    let place = (&AccountId::default(), &Region::default());
    MetricKey::new(place, "App", name, vec![("b".into(), "2".into()), ("a".into(), "1".into())])
}

fn add(store: &MetricStore, name: &str, at: Timestamp, value: f64) {
    let (resolution, unit) = (Resolution::Minute, Unit::NONE);
    store.record(&metric(name), &Point { at, resolution, unit, digest: Digest::of(value, 1.0) });
}

/// Sums by seconds after noon.
fn sums(store: &MetricStore, name: &str, period: Duration) -> Vec<(u64, f64)> {
    let span = Span { start: NOON, end: NOON + DAY, period, unit: None };
    let read = store.read(&metric(name), span).unwrap().into_iter();
    read.map(|((at, _), digest)| (at.since(NOON).as_secs(), digest.sum)).collect()
}

#[test]
fn values_are_found_by_period_before_and_after_a_restart() {
    let kv = Kv::ephemeral();
    let one = store(&kv);
    add(&one, "x", NOON, 1.0);
    add(&one, "x", NOON + Duration::from_secs(59), 2.0);
    one.flush().unwrap();
    add(&one, "x", NOON + Duration::from_secs(30), 4.0);
    add(&one, "x", NOON + MINUTE, 8.0);
    one.flush().unwrap();
    let other = store(&kv);
    assert_eq!(sums(&other, "x", MINUTE), [(0, 7.0), (60, 8.0)]);
    assert_eq!(sums(&other, "x", 5 * MINUTE), [(0, 15.0)]);
    assert_eq!(sums(&other, "x", Duration::from_secs(10)), []);
    assert_eq!(sums(&other, "y", MINUTE), []);
}

#[tokio::test]
async fn few_values_are_written_at_once_and_many_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(&Kv::open(dir.path()).unwrap()));
    for (count, at_once) in [(HERE_COUNT_MAX, true), (HERE_COUNT_MAX + 1, false)] {
        (0..count).for_each(|number| add(&store, &number.to_string(), NOON, 1.0));
        let mut writing = std::pin::pin!(store.write_out());
        let is_done = tokio::select! {
            biased;
            written = &mut writing => { written.unwrap(); true }
            () = std::future::ready(()) => false,
        };
        assert_eq!(is_done, at_once, "{count}");
        if !is_done {
            writing.await.unwrap();
        }
    }
    assert_eq!(sums(&store, "0", MINUTE), [(0, 2.0)]);
    assert_eq!(sums(&store, &HERE_COUNT_MAX.to_string(), MINUTE), [(0, 1.0)]);
}

#[test]
fn units_are_kept_apart() {
    let store = store(&Kv::ephemeral());
    for name in ["Bytes", "Count"] {
        let unit = Unit::parse(name).unwrap();
        let digest = Digest::of(1.0, 1.0);
        let point = Point { at: NOON, resolution: Resolution::Minute, unit, digest };
        store.record(&metric("x"), &point);
    }
    store.flush().unwrap();
    let unit = Unit::parse("Bytes");
    let span = Span { start: NOON, end: NOON + MINUTE, period: MINUTE, unit };
    assert_eq!(store.read(&metric("x"), span).unwrap().len(), 1);
    assert_eq!(store.read(&metric("x"), Span { unit: None, ..span }).unwrap().len(), 2);
}

#[test]
fn metrics_are_listed_by_name_from_anywhere() {
    let store = store(&Kv::ephemeral());
    for name in ["c", "a", "b"] {
        add(&store, name, NOON, 1.0);
    }
    store.flush().unwrap();
    let place = (&AccountId::default(), &Region::default());
    let names = |namespace: Option<&str>, after: Option<&MetricKey>| {
        let listed = store.list(place, namespace, after);
        listed.map(|listed| listed.unwrap().key.name).collect::<String>()
    };
    assert_eq!(names(None, None), "abc");
    assert_eq!(names(Some("App"), Some(&metric("a"))), "bc");
    assert_eq!(names(Some("Ap"), None), "");
    let first = store.list(place, None, None).next().unwrap().unwrap();
    assert_eq!(first.key, metric("a"));
    assert_eq!(first.last_at, NOON);
}

#[tokio::test]
async fn old_values_are_merged_and_let_go() {
    let store = Arc::new(store(&Kv::ephemeral()));
    for minute in 0..10 {
        add(&store, "x", NOON + minute * MINUTE, 1.0);
    }
    store.sweep(NOON + 14 * DAY).await.unwrap();
    assert_eq!(sums(&store, "x", MINUTE).len(), 10);
    store.sweep(NOON + 16 * DAY).await.unwrap();
    assert_eq!(sums(&store, "x", MINUTE), []);
    assert_eq!(sums(&store, "x", 5 * MINUTE), [(0, 5.0), (300, 5.0)]);
    store.sweep(NOON + 64 * DAY).await.unwrap();
    store.sweep(NOON + 64 * DAY).await.unwrap();
    assert_eq!(sums(&store, "x", 5 * MINUTE), []);
    assert_eq!(sums(&store, "x", 60 * MINUTE), [(0, 10.0)]);
    // its hour is not over yet: with the metric's record, nobody would find its point again
    store.sweep(NOON + 455 * DAY + 30 * MINUTE).await.unwrap();
    assert_eq!(sums(&store, "x", 60 * MINUTE), [(0, 10.0)]);
    store.sweep(NOON + 455 * DAY + 60 * MINUTE).await.unwrap();
    assert_eq!(sums(&store, "x", 60 * MINUTE), []);
    assert!(store.list((&AccountId::default(), &Region::default()), None, None).next().is_none());
}

#[tokio::test]
async fn only_metrics_with_something_due_are_swept() {
    let store = Arc::new(store(&Kv::ephemeral()));
    add(&store, "x", NOON, 1.0);
    add(&store, "y", NOON + DAY, 1.0);
    let due_at = NOON + 15 * DAY + 5 * MINUTE;
    assert_eq!(store.sweep(due_at - Duration::from_millis(1)).await.unwrap(), 0);
    assert_eq!(store.sweep(due_at).await.unwrap(), 1);
    assert_eq!(store.sweep(due_at).await.unwrap(), 0);
    assert_eq!(sums(&store, "x", MINUTE), []);
    assert_eq!(sums(&store, "x", 5 * MINUTE), [(0, 1.0)]);
    // What comes late is due before what is there.
    add(&store, "y", NOON + 30 * MINUTE, 2.0);
    assert_eq!(store.sweep(due_at + 30 * MINUTE).await.unwrap(), 1);
    assert_eq!(sums(&store, "y", MINUTE), []);
    assert_eq!(sums(&store, "y", 5 * MINUTE), [(1800, 2.0)]);
    assert_eq!(store.sweep(due_at + DAY).await.unwrap(), 1);
}

#[tokio::test]
async fn records_that_do_not_say_when_they_are_due_are_looked_at_once() {
    let store = Arc::new(store(&Kv::ephemeral()));
    add(&store, "x", NOON, 1.0);
    store.flush().unwrap();
    let key = metric("x").encode();
    let known = store.record_of(&key).unwrap().unwrap();
    store.metrics.put(&key, encode(&(known.id, known.last_at))).unwrap();
    assert_eq!(sums(&store, "x", MINUTE), [(0, 1.0)]);
    assert_eq!(store.sweep(NOON + DAY).await.unwrap(), 1);
    assert_eq!(store.record_of(&key).unwrap(), Some(known));
    assert_eq!(store.sweep(NOON + DAY).await.unwrap(), 0);
}

#[tokio::test]
async fn all_metrics_are_swept_however_many() {
    let store = Arc::new(store(&Kv::ephemeral()));
    for number in 0..2001 {
        add(&store, &format!("x{number}"), NOON, 1.0);
    }
    assert_eq!(store.sweep(NOON + 16 * DAY).await.unwrap(), 2001);
    assert_eq!(sums(&store, "x2000", 5 * MINUTE), [(0, 1.0)]);
    assert_eq!(store.sweep(NOON + 456 * DAY).await.unwrap(), 2001);
    assert!(store.list((&AccountId::default(), &Region::default()), None, None).next().is_none());
}
