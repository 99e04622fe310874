//! Keyspaces through their public door, in memory and on disk alike.

#![allow(clippy::unwrap_used)] // a test ends where it cannot go on

mod lately;
mod quiet;
mod tallies;

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::FutureExt as _;
use haar_kv::{Batch, Durability, Entry, Keyspace, Kv, KvError, Range, Sizes};
use proptest::collection::vec;
use proptest::prelude::*;

/// Runs a test on both kinds of store.
fn both(test: impl Fn(Kv)) {
    test(Kv::ephemeral());
    let dir = tempfile::tempdir().unwrap();
    test(Kv::open(dir.path()).unwrap());
}

fn keys(range: impl Iterator<Item = Result<Entry, KvError>>) -> Vec<String> {
    range.map(|entry| String::from_utf8(entry.unwrap().key.to_vec()).unwrap()).collect()
}

fn filled(kv: &Kv, names: &[&'static str]) -> Keyspace {
    let keyspace = kv.keyspace("test").unwrap();
    for name in names {
        keyspace.put(*name, *name).unwrap();
    }
    keyspace
}

#[test]
fn records_are_read_in_order_from_both_ends() {
    both(|kv| {
        let keyspace = filled(&kv, &["b", "a/2", "a/1", "a0", "a/3"]);
        assert_eq!(keys(keyspace.all()), ["a/1", "a/2", "a/3", "a0", "b"]);
        assert_eq!(keys(keyspace.all().rev()), ["b", "a0", "a/3", "a/2", "a/1"]);
        assert_eq!(keys(keyspace.prefix("a/")), ["a/1", "a/2", "a/3"]);
        assert_eq!(keys(keyspace.prefix("a/").rev().take(2)), ["a/3", "a/2"]);
        assert_eq!(keys(keyspace.range("a/2"..="a0")), ["a/2", "a/3", "a0"]);
        assert_eq!(keys(keyspace.range("a/2".."a0")), ["a/2", "a/3"]);
        assert_eq!(keys(keyspace.range("c".."b")), [""; 0]);
        let mut ends = keyspace.prefix("a/");
        assert_eq!(ends.next().unwrap().unwrap().key, "a/1");
        assert_eq!(ends.next_back().unwrap().unwrap().key, "a/3");
        assert_eq!(keys(ends), ["a/2"]);
    });
}

#[test]
fn a_range_shows_the_records_as_they_were_when_it_was_made() {
    both(|kv| {
        let keyspace = filled(&kv, &["a", "b", "c"]);
        let range = keyspace.all();
        keyspace.remove("b").unwrap();
        keyspace.put("d", "d").unwrap();
        assert_eq!(keys(range), ["a", "b", "c"]);
        assert_eq!(keys(keyspace.all()), ["a", "c", "d"]);
    });
}

#[test]
fn the_last_word_of_a_batch_on_a_key_holds_and_keyspaces_are_apart() {
    both(|kv| {
        let (one, other) = (kv.keyspace("one").unwrap(), kv.keyspace("other").unwrap());
        let mut batch = Batch::new();
        batch.put(&one, "k", "1");
        batch.put(&other, "k", "other");
        batch.put(&one, "k", "2");
        batch.put(&one, "gone", "x");
        batch.remove(&one, "gone");
        kv.apply(batch).unwrap();
        assert_eq!(one.get("k").unwrap().unwrap(), "2");
        assert_eq!(one.get("gone").unwrap(), None);
        assert_eq!(other.get("k").unwrap().unwrap(), "other");
    });
}

#[test]
fn a_prefix_is_removed_and_its_neighbours_stay() {
    both(|kv| {
        let keyspace = filled(&kv, &["a", "b", "b/1", "b/2", "b0"]);
        keyspace.put(&b"\xff\xff1"[..], "x").unwrap();
        assert_eq!(keyspace.remove_prefix("b/").unwrap(), 2);
        assert_eq!(keyspace.remove_prefix(b"\xff\xff").unwrap(), 1);
        assert_eq!(keys(keyspace.all()), ["a", "b", "b0"]);
    });
}

#[tokio::test]
async fn a_long_range_is_cleared_while_others_have_their_turn() {
    let dir = tempfile::tempdir().unwrap();
    for kv in [Kv::ephemeral(), Kv::open(dir.path()).unwrap()] {
        let keyspace = filled(&kv, &["a", "c"]);
        for number in 0..5000_u16 {
            keyspace.put([&b"b"[..], &number.to_be_bytes()].concat(), "x").unwrap();
        }
        let mut clearing = Box::pin(keyspace.clear_prefix("b"));
        let mut turns = 0;
        let count = std::future::poll_fn(|cx| {
            let polled = clearing.as_mut().poll(cx);
            turns += usize::from(polled.is_pending());
            polled
        });
        let count = count.await.unwrap();
        assert_eq!(count, 5000);
        assert!(turns >= 4, "others had {turns} turns");
        assert_eq!(keys(keyspace.all()), ["a", "c"]);
        assert_eq!(keyspace.clear_range("a"..="c").await.unwrap(), 2);
        assert_eq!(keyspace.clear_range::<&str>(..).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_clearing_that_was_dropped_is_gone_on_with() {
    let kv = Kv::ephemeral();
    let keyspace = filled(&kv, &["a", "c"]);
    for number in 0..5000_u16 {
        keyspace.put([&b"b"[..], &number.to_be_bytes()].concat(), "x").unwrap();
    }
    let clearing = keyspace.clear_prefix("b");
    tokio::select! {
        biased;
        _ = clearing => panic!("it is long"),
        () = std::future::ready(()) => {}
    }
    let left = keyspace.prefix("b").count();
    assert!((1..5000).contains(&left), "{left} are left");
    assert_eq!(keyspace.clear_prefix("b").await.unwrap(), left);
    assert_eq!(keys(keyspace.all()), ["a", "c"]);
}

#[test]
fn a_reset_empties_all_keyspaces_and_leaves_their_handles_good() {
    both(|kv| {
        let (one, other) = (filled(&kv, &["a"]), kv.keyspace("other").unwrap());
        other.put("b", "b").unwrap();
        kv.reset().unwrap();
        assert_eq!(keys(one.all()), [""; 0]);
        assert_eq!(keys(other.all()), [""; 0]);
        one.put("c", "c").unwrap();
        assert_eq!(keys(one.all()), ["c"]);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synced_writes_of_many_share_the_disk_and_outlive_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let kv = Kv::open(dir.path()).unwrap();
    let keyspace = kv.keyspace("test").unwrap();
    let writes = (0..64_u8).map(|at| {
        let (kv, keyspace) = (kv.clone(), keyspace.clone());
        async move {
            let mut batch = Batch::new();
            batch.put(&keyspace, vec![at], vec![at]);
            kv.commit(batch, Durability::Synced).await.unwrap();
        }
    });
    let tasks: Vec<_> =
        writes.map(|write| tokio::runtime::Handle::current().spawn(write)).collect();
    for task in tasks {
        task.await.unwrap();
    }
    keyspace.put_synced("z", "z").await.unwrap();
    drop((kv, keyspace));
    let again = Kv::open(dir.path()).unwrap().keyspace("test").unwrap();
    assert_eq!(again.all().count(), 65);
}

/// What a process leaves behind that is killed now: a copy of its files.
#[allow(clippy::disallowed_methods)] // copies files
fn left_behind(folder: &std::path::Path, left: &std::path::Path) -> usize {
    let copied = std::process::Command::new("cp").arg("-r").args([folder, left]).status();
    assert!(copied.unwrap().success());
    Kv::open(left).unwrap().keyspace("a").unwrap().all().count()
}

/// Enough to come to where room is laid down ahead in the engine's journal, several times.
#[tokio::test]
async fn what_was_synced_comes_back_also_from_a_journal_with_room_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, left) = (dir.path().join("store"), dir.path().join("left"));
    let kv = Kv::open(&folder).unwrap();
    let keyspace = kv.keyspace("a").unwrap();
    for at in 0..60_u32 {
        let value: Vec<u8> = (0..60_000_u32).map(|byte| (byte * at % 251) as u8).collect();
        let mut batch = Batch::new();
        batch.put(&keyspace, at.to_be_bytes(), value);
        match at % 2 {
            0 => kv.commit(batch, Durability::Synced).await.unwrap(),
            _ => {
                kv.stage(batch).unwrap();
                kv.flush().unwrap(); // as the ledger does
            }
        }
    }
    assert_eq!(left_behind(&folder, &left), 60);
}

#[test]
fn buffered_writes_are_with_the_system_and_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let running = folder.path().join("running");
    let kv = Kv::open(&running).unwrap();
    let keyspace = kv.keyspace("a").unwrap();
    for number in 0_u8..5 {
        keyspace.put([number], &b"x"[..]).unwrap();
    }
    assert_eq!(left_behind(&running, &folder.path().join("left")), 5);
    drop(kv);
}

#[tokio::test]
async fn staged_writes_are_read_at_once_and_outlive_the_process_with_the_next_flush() {
    let folder = tempfile::tempdir().unwrap();
    let running = folder.path().join("running");
    let kv = Kv::open(&running).unwrap();
    let keyspace = kv.keyspace("a").unwrap();
    for number in 0_u8..5 {
        let mut batch = Batch::new();
        batch.put(&keyspace, [number], &b"x"[..]);
        kv.stage(batch).unwrap();
    }
    assert_eq!(keyspace.all().count(), 5);
    kv.sync().await.unwrap();
    assert_eq!(left_behind(&running, &folder.path().join("left")), 5);
    drop(kv);
}

#[test]
fn a_creation_that_was_broken_off_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("records")).unwrap();
    std::fs::write(dir.path().join("records/version"), "half of it").unwrap();
    std::fs::write(dir.path().join("creating"), "").unwrap();
    drop(filled(&Kv::open(dir.path()).unwrap(), &["a"]));
    let kv = Kv::open(dir.path()).unwrap();
    assert_eq!(keys(kv.keyspace("test").unwrap().all()), ["a"]);
}

#[test]
fn a_second_opening_of_a_data_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let first = Kv::open(dir.path()).unwrap();
    assert!(matches!(Kv::open(dir.path()), Err(KvError::Locked(at)) if at == dir.path()));
    drop(first);
    Kv::open(dir.path()).unwrap();
}

#[test]
fn a_disk_without_room_takes_nothing_and_takes_again_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    filled(&Kv::open(dir.path()).unwrap(), &["a"]);
    let full = Sizes { reserve_bytes: u64::MAX, ..Sizes::default() };
    let kv = Kv::open_sized(dir.path(), full).unwrap();
    let keyspace = kv.keyspace("test").unwrap();
    assert_eq!(kv.refused().now_or_never(), None);
    assert!(matches!(keyspace.put("b", "b"), Err(KvError::Full(_))));
    assert!(matches!(keyspace.remove("a"), Err(KvError::Full(_))));
    assert_eq!(kv.refused().now_or_never(), Some(()), "who frees the disk is told");
    assert_eq!(kv.refused().now_or_never(), None, "once");
    assert_eq!(keys(keyspace.all()), ["a"]);
    drop((kv, keyspace));
    let kv = Kv::open(dir.path()).unwrap();
    assert_eq!(keys(filled(&kv, &["b"]).all()), ["a", "b"]);
}

fn free_bytes() -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let full = Sizes { reserve_bytes: u64::MAX, ..Sizes::default() };
    let kv = Kv::open_sized(dir.path(), full).unwrap();
    match kv.keyspace("test").unwrap().put("a", "a") {
        Err(KvError::Full(mib)) => mib << 20,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_takes_what_frees_room() {
    let dir = tempfile::tempdir().unwrap();
    filled(&Kv::open(dir.path()).unwrap(), &["a"]);
    let little = Sizes { reserve_bytes: free_bytes() / 2 * 3, ..Sizes::default() };
    let kv = Kv::open_sized(dir.path(), little).unwrap();
    let keyspace = kv.keyspace("test").unwrap();
    let mut batch = Batch::new();
    batch.remove(&keyspace, "a");
    batch.put(&keyspace, "count", "0");
    assert!(matches!(kv.apply(batch.clone()), Err(KvError::Full(_))));
    batch.free_room();
    kv.apply(batch).unwrap();
    assert_eq!(keys(keyspace.all()), ["count"]);
}

#[test]
fn a_batch_that_is_larger_than_the_room_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(&Kv::open(dir.path()).unwrap(), &["a"]);
    let sizes = Sizes { reserve_bytes: free_bytes() / 2, ..Sizes::default() };
    let kv = Kv::open_sized(dir.path(), sizes).unwrap();
    let keyspace = kv.keyspace("test").unwrap();
    keyspace.put("b", "b").unwrap();
    let large = bytes::Bytes::from(vec![0; 1 << 20]);
    let mut batch = Batch::new();
    for number in 0..free_bytes() >> 20 {
        batch.put(&keyspace, number.to_be_bytes(), large.clone()); // they share their bytes
    }
    assert!(matches!(kv.apply(batch), Err(KvError::Full(_))));
    assert_eq!(keys(keyspace.all()), ["a", "b"]);
}

#[derive(Clone, Debug)]
enum Deed {
    Put(Vec<u8>, u8),
    Remove(Vec<u8>),
    RemovePrefix(Vec<u8>),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(0x7f), Just(0xff)], 0..4)
        .prop_map(|tail| [&[7], &*tail].concat())
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (key(), any::<u8>()).prop_map(|(key, value)| Deed::Put(key, value)),
        1 => key().prop_map(Deed::Remove),
        1 => key().prop_map(Deed::RemovePrefix),
    ]
}

type Model = BTreeMap<Vec<u8>, u8>;

fn perform(keyspace: &Keyspace, model: &mut Model, deed: &Deed) {
    match deed {
        Deed::Put(key, value) => {
            keyspace.put(key.clone(), vec![*value]).unwrap();
            model.insert(key.clone(), *value);
        }
        Deed::Remove(key) => {
            keyspace.remove(key.clone()).unwrap();
            model.remove(key);
        }
        Deed::RemovePrefix(prefix) => {
            let count = keyspace.remove_prefix(prefix).unwrap();
            let before = model.len();
            model.retain(|key, _| !key.starts_with(prefix));
            assert_eq!(count, before - model.len());
        }
    }
}

fn listed(range: Range) -> Vec<(Bytes, Bytes)> {
    range.map(|entry| entry.map(|entry| (entry.key, entry.value)).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..Default::default() })]

    #[test]
    fn keyspaces_agree_with_a_map(deeds in vec(deed(), 1..60), low in key(), high in key()) {
        both(|kv| {
            let keyspace = kv.keyspace("test").unwrap();
            let mut model = Model::new();
            deeds.iter().for_each(|deed| perform(&keyspace, &mut model, deed));
            let within = model.iter().filter(|(key, _)| low <= **key && **key < high);
            let within: Vec<_> = within
                .map(|(key, value)| (Bytes::from(key.clone()), Bytes::from(vec![*value])))
                .collect();
            assert_eq!(listed(keyspace.range(low.clone()..high.clone())), within);
            assert_eq!(keyspace.all().count(), model.len());
            assert_eq!(keyspace.get(&low).unwrap().map(|value| value[0]), model.get(&low).copied());
        });
    }
}
