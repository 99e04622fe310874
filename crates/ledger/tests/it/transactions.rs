//! Transactions and what they show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use haar_ledger::store::{Batch, MemoryStore, Store, Visit};
use haar_ledger::{Committed, Ledger, LedgerError, Snapshot, StoreError};

use crate::rows::{BookRow, VisitRow, book, tables};

fn put(ledger: &Ledger, row: BookRow) -> Committed<()> {
    ledger.write(|tx| tx.put(row))
}

fn titles(rows: impl Iterator<Item = Arc<BookRow>>) -> Vec<String> {
    rows.map(|row| row.title.clone()).collect()
}

#[test]
fn a_transaction_sees_its_own_writes_and_others_see_them_when_it_ends() {
    let ledger = Ledger::ephemeral(tables());
    let before = ledger.snapshot();
    let committed = ledger.write(|tx| {
        tx.put(book("Emma", "a"));
        tx.put(book("Dracula", "a"));
        tx.put(book("Emma", "b"));
        assert_eq!(tx.remove::<BookRow>(&"Dracula".to_owned()).unwrap().title, "Dracula");
        assert_eq!(titles(tx.all()), ["Emma"]);
        assert_eq!(titles(tx.by_index("shelf", "b")), ["Emma"]);
        assert_eq!(titles(tx.by_index("shelf", "a")), [""; 0]);
        assert!(ledger.snapshot().is_empty::<BookRow>());
    });
    committed.wait().unwrap();
    assert_eq!(titles(ledger.snapshot().all()), ["Emma"]);
    assert!(before.is_empty::<BookRow>(), "a snapshot never changes");
    assert_eq!((before.version(), ledger.snapshot().version()), (0, 1));
}

/// A store on a disk that has room, or none.
#[derive(Default)]
struct Tight {
    rows: MemoryStore,
    is_full: AtomicBool,
}

impl Store for Tight {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        match self.is_full.load(Ordering::SeqCst) {
            true => Err(StoreError::Full),
            false => self.rows.commit(batch),
        }
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.rows.scan(visit)
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.rows.clear()
    }
}

#[test]
fn what_the_disk_has_no_room_for_is_as_if_never_made_and_later_changes_are_kept() {
    let store = Arc::new(Tight::default());
    let ledger = Ledger::open_manual(tables(), Arc::clone(&store) as _).unwrap();
    let kept = put(&ledger, book("Emma", "a"));
    ledger.flush();
    kept.wait().unwrap();
    store.is_full.store(true, Ordering::SeqCst);
    let refused = [put(&ledger, book("Dracula", "a")), put(&ledger, book("Ulysses", "a"))];
    let built_on =
        ledger.write(|tx| tx.update::<BookRow>(&"Dracula".to_owned(), |row| row.wear = 1));
    ledger.flush();
    for one in refused {
        assert!(matches!(one.wait(), Err(LedgerError::Full)));
    }
    assert!(matches!(built_on.wait().map(drop), Err(LedgerError::Full)));
    assert_eq!(titles(ledger.snapshot().all()), ["Emma"]);
    assert!(ledger.stats().healthy);
    assert_eq!(ledger.refused().now_or_never(), Some(()), "who frees the disk is told");
    assert_eq!(ledger.refused().now_or_never(), None, "once");
    store.is_full.store(false, Ordering::SeqCst);
    let there = ledger.write(|tx| {
        tx.put(book("Walden", "a"));
        titles(tx.all())
    });
    ledger.flush();
    assert_eq!(there.wait().unwrap(), ["Emma", "Walden"]);
    let again = Ledger::open(tables(), store).unwrap();
    assert_eq!(titles(again.snapshot().all()), ["Emma", "Walden"]);
}

#[test]
fn a_refused_transaction_leaves_nothing_behind() {
    let ledger = Ledger::ephemeral(tables());
    let refused = ledger.transact(|tx| {
        tx.put(book("Emma", "a"));
        Err::<(), _>("no")
    });
    assert_eq!(refused.unwrap_err(), "no");
    assert!(ledger.snapshot().is_empty::<BookRow>());
}

#[test]
fn a_transaction_that_panics_leaves_the_newest_state_as_it_was() {
    let ledger = Ledger::open_manual(tables(), Arc::new(MemoryStore::new())).unwrap();
    let kept = put(&ledger, book("Emma", "a"));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ledger.write(|tx| {
            tx.put(book("Emma", "b"));
            tx.put(book("Dracula", "b"));
            tx.remove::<BookRow>(&"Emma".to_owned());
            panic!("in the midst of it");
        })
    }));
    assert!(panicked.is_err());
    let refused = ledger.transact(|tx| {
        tx.put(book("Emma", "c"));
        tx.put(book("Walden", "c"));
        Err::<(), _>("no")
    });
    assert_eq!(refused.unwrap_err(), "no");
    let seen = ledger.write(|tx| {
        let by_shelf = |shelf| titles(tx.by_index("shelf", shelf));
        (titles(tx.all()), by_shelf("a"), by_shelf("b"), by_shelf("c"))
    });
    let emma = vec!["Emma".to_owned()];
    assert_eq!(*seen.value(), (emma.clone(), emma, vec![], vec![]));
    ledger.flush();
    kept.wait().unwrap();
    assert_eq!(titles(ledger.snapshot().all()), ["Emma"]);
    assert_eq!(ledger.stats().commits, 1);
}

#[test]
fn a_row_that_breaks_its_invariant_undoes_the_whole_transaction() {
    let ledger = Ledger::ephemeral(tables());
    put(&ledger, BookRow { wear: 2, ..book("Emma", "a") }).wait().unwrap();
    let broken = ledger.write(|tx| {
        tx.put(VisitRow { reader: (1, 1), count: 1 });
        tx.update::<BookRow>(&"Emma".to_owned(), |row| row.wear = 1);
    });
    let error = broken.early().unwrap_err();
    let text = "row \"Emma\" of table library.book broke its invariant: wear 1 after 2";
    assert_eq!(error.to_string(), text);
    assert!(ledger.snapshot().is_empty::<VisitRow>());
    put(&ledger, BookRow { wear: 3, ..book("Emma", "a") }).wait().unwrap();
}

#[test]
fn rows_are_read_by_range_and_index_from_both_ends() {
    let ledger = Ledger::ephemeral(tables());
    for (title, shelf) in [("a1", "x"), ("a2", "xy"), ("b1", "x"), ("b2", "z")] {
        put(&ledger, book(title, shelf)).wait().unwrap();
    }
    let now = ledger.snapshot();
    let key = str::to_owned;
    assert_eq!(titles(now.range(key("a2")..key("b2"))), ["a2", "b1"]);
    assert_eq!(titles(now.range(key("a2")..).rev()), ["b2", "b1", "a2"]);
    assert_eq!(titles(now.range(key("b")..key("a"))), [""; 0]);
    assert_eq!(titles(now.by_index("shelf", "x")), ["a1", "b1"]);
    assert_eq!(titles(now.by_index("shelf", "x").rev()), ["b1", "a1"]);
    assert_eq!(titles(now.by_index_prefix("shelf", "x")), ["a1", "b1", "a2"]);
    assert_eq!(titles(now.by_index("author", "x")), [""; 0]);
    assert_eq!(now.row_counts(), [("library.book", 4), ("library.visit", 0)]);
}

#[test]
fn nothing_is_acknowledged_after_the_disk_failed() {
    let disk = Arc::new(MemoryStore::new());
    let ledger = Ledger::open(tables(), disk.clone()).unwrap();
    put(&ledger, book("kept", "a")).wait().unwrap();
    disk.break_writes(true);
    assert!(matches!(put(&ledger, book("lost", "a")).wait(), Err(LedgerError::Store(_))));
    disk.break_writes(false);
    let error = put(&ledger, book("late", "a")).early().unwrap_err();
    assert!(error.to_string().starts_with("could not write the ledger to disk"), "{error}");
    assert_eq!(titles(ledger.snapshot().all()), ["kept"]);
    assert!(!ledger.stats().healthy);
    drop(ledger);
    let again = Ledger::open(tables(), disk).unwrap();
    assert_eq!(titles(again.snapshot().all()), ["kept"]);
}

#[test]
fn readers_see_a_commit_once_it_is_on_disk_and_writers_at_once() {
    let disk = Arc::new(MemoryStore::new());
    let ledger = Ledger::open_manual(tables(), disk).unwrap();
    let first = put(&ledger, book("Emma", "a"));
    let seen = ledger.write(|tx| titles(tx.all()));
    assert!(ledger.snapshot().is_empty::<BookRow>());
    ledger.flush();
    first.wait().unwrap();
    assert_eq!(seen.wait().unwrap(), ["Emma"], "what was read is on disk when the answer goes");
    assert_eq!(titles(ledger.snapshot().all()), ["Emma"]);
    assert_eq!(ledger.stats().flushes, 1);
}

#[test]
fn many_writers_share_a_flush_and_each_change_is_made_once() {
    let ledger = Ledger::open(tables(), Arc::new(MemoryStore::new())).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..200).for_each(|_| count(&ledger).wait().unwrap()));
        }
    });
    assert_eq!(visits(&ledger.snapshot()), 1600);
    let stats = ledger.stats();
    assert_eq!(stats.commits, 1600);
    assert!(stats.flushes <= 1600);
}

#[test]
fn a_reset_empties_the_ledger_and_its_disk() {
    let disk = Arc::new(MemoryStore::new());
    let ledger = Ledger::open(tables(), disk.clone()).unwrap();
    put(&ledger, book("Emma", "a")).wait().unwrap();
    let waiting = count(&ledger);
    ledger.reset().unwrap();
    waiting.wait().unwrap();
    assert_eq!(ledger.snapshot().row_counts(), [("library.book", 0), ("library.visit", 0)]);
    count(&ledger).wait().unwrap();
    drop(ledger);
    let again = Ledger::open(tables(), disk).unwrap();
    assert_eq!(again.snapshot().row_counts(), [("library.book", 0), ("library.visit", 1)]);
}

#[test]
#[should_panic(expected = "table library.book is not registered")]
fn an_unknown_table_is_named() {
    let ledger = Ledger::ephemeral(haar_ledger::Tables::new().with::<VisitRow>());
    let _ = ledger.snapshot().all::<BookRow>().count();
}

fn count(ledger: &Ledger) -> Committed<()> {
    ledger.write(|tx| {
        let count = tx.get::<VisitRow>(&(1, 1)).map_or(0, |row| row.count);
        tx.put(VisitRow { reader: (1, 1), count: count + 1 });
    })
}

fn visits(snapshot: &Snapshot) -> u64 {
    snapshot.get::<VisitRow>(&(1, 1)).map_or(0, |row| row.count)
}
