//! The change feed.

use std::sync::Arc;

use haar_ledger::store::FjallStore;
use haar_ledger::{Ledger, Row, Tx};

use crate::rows::{BookRow, VisitRow, book, tables};

fn commit(ledger: &Ledger, work: impl FnOnce(&mut Tx)) {
    ledger.write(work).wait().unwrap();
}

#[test]
fn each_commit_tells_each_row_once_as_it_was_and_as_it_is() {
    let ledger = Ledger::ephemeral(tables());
    commit(&ledger, |tx| tx.put(book("Emma", "a")));
    let mut feed = ledger.changes();
    commit(&ledger, |tx| {
        tx.put(book("Emma", "b"));
        tx.put(book("Emma", "c"));
        tx.put(book("brief", "c"));
        tx.remove::<BookRow>(&"brief".to_owned());
        tx.put(VisitRow { reader: (1, 2), count: 1 });
    });
    commit(&ledger, |tx| {
        tx.remove::<BookRow>(&"Emma".to_owned());
    });

    let first = feed.try_next().unwrap();
    let (old, new) = first.rows::<BookRow>().next().unwrap();
    assert_eq!((&*old.unwrap().shelf, &*new.unwrap().shelf), ("a", "c"));
    assert_eq!(first.keys::<BookRow>(), ["Emma"]);
    assert_eq!(first.keys::<VisitRow>(), [(1, 2)]);
    assert_eq!((first.version, first.lost, first.changes.len()), (2, false, 2));

    let second = feed.try_next().unwrap();
    let (old, new) = second.rows::<BookRow>().next().unwrap();
    assert_eq!((old.unwrap().key(), new), ("Emma".to_owned(), None));
    assert!(feed.try_next().is_none());
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_that_it_missed_something() {
    let ledger = Ledger::ephemeral(tables());
    let mut feed = ledger.changes();
    for count in 0..5000 {
        commit(&ledger, |tx| tx.put(VisitRow { reader: (1, 1), count }));
    }
    assert!(feed.next().await.unwrap().lost);
    assert!(!feed.next().await.unwrap().lost);
    ledger.reset().unwrap();
    drop(ledger);
    let mut last = None;
    while let Some(set) = feed.next().await {
        last = Some(set);
    }
    assert!(last.unwrap().lost, "a reset tells readers to look at everything");
}

/// The feed tells of what is on disk; `None` comes once the ledger is gone.
#[tokio::test]
async fn a_commit_that_nobody_awaits_reaches_the_disk_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let ledger = Ledger::open(tables(), Arc::new(store)).unwrap();
    let mut feed = ledger.changes();
    for round in 0..30 {
        // one after another, so that the ledger learns that each is alone
        let awaited = ledger.write(|tx| tx.put(VisitRow { reader: (1, round), count: 1 }));
        awaited.durable().await.unwrap();
        assert_eq!(feed.next().await.unwrap().keys::<VisitRow>(), [(1, round)]);
        let dropped = ledger.write(|tx| tx.put(VisitRow { reader: (2, round), count: 1 }));
        dropped.early().unwrap();
        assert_eq!(feed.next().await.unwrap().keys::<VisitRow>(), [(2, round)]);
        assert_eq!(ledger.snapshot().len::<VisitRow>() as u64, 2 * (round + 1));
    }
}
