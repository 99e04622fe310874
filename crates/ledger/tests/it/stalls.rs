//! A store that takes what it is given, and flushes, when it is let.

use std::sync::Arc;

use haar_ledger::store::{Batch, MemoryStore, Store, Visit};
use haar_ledger::{Committed, Ledger, LedgerError, StoreError};
use parking_lot::{Condvar, Mutex};

use crate::rows::{BookRow, book, tables};

#[derive(Default)]
struct Gated {
    rows: MemoryStore,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    staged: Vec<Batch>,
    is_at_ease: bool,
    is_full: bool,
    stages: bool,
    flushes: bool,
    /// Somebody is in front of a closed door.
    is_held: bool,
}

impl Gated {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.moved.notify_all();
    }

    fn pass(&self, is_open: impl Fn(&State) -> bool) {
        let mut state = self.state.lock();
        while !is_open(&state) {
            state.is_held = true;
            self.moved.notify_all();
            self.moved.wait(&mut state);
        }
        state.is_held = false;
    }

    fn until_held(&self) {
        let mut state = self.state.lock();
        self.moved.wait_while(&mut state, |state| !state.is_held);
    }
}

impl Store for Gated {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.rows.commit(batch)
    }

    fn stage(&self, batch: &Batch) -> Result<(), StoreError> {
        self.pass(|state| state.stages);
        let mut state = self.state.lock();
        if state.is_full {
            return Err(StoreError::Full);
        }
        state.staged.push(batch.clone());
        Ok(())
    }

    fn is_at_ease(&self) -> bool {
        self.state.lock().is_at_ease
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.pass(|state| state.flushes);
        let staged = std::mem::take(&mut self.state.lock().staged);
        staged.iter().try_for_each(|batch| self.rows.commit(batch))
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.rows.scan(visit)
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.rows.clear()
    }
}

fn open(state: State) -> (Ledger, Arc<Gated>) {
    let store = Arc::new(Gated { state: Mutex::new(state), ..Gated::default() });
    (Ledger::open(tables(), Arc::clone(&store) as _).unwrap(), store)
}

fn put(ledger: &Ledger, title: &str) -> Committed<()> {
    ledger.write(|tx| tx.put(book(title, "a")))
}

fn titles(ledger: &Ledger) -> Vec<String> {
    ledger.snapshot().all::<BookRow>().map(|row| row.title.clone()).collect()
}

/// On one thread, which would stand still for ever if it waited for the store, or for a lock that
/// one holds who does.
#[tokio::test]
async fn transactions_go_on_while_the_store_stalls() {
    let (ledger, store) = open(State { flushes: true, ..State::default() });
    let first = put(&ledger, "first");
    store.until_held();
    let count = ledger.write(|tx| tx.len::<BookRow>());
    assert_eq!(*count.value(), 1);
    let rest: Vec<_> = (0..100).map(|number| put(&ledger, &format!("{number:03}"))).collect();
    assert!(titles(&ledger).is_empty(), "nothing of it is on disk");
    store.set(|state| state.stages = true);
    first.durable().await.unwrap();
    for one in rest {
        one.durable().await.unwrap();
    }
    assert_eq!(titles(&ledger).len(), 101);
}

#[tokio::test]
async fn what_a_full_disk_refuses_takes_nothing_along_that_came_before_it() {
    let at_ease = State { is_at_ease: true, stages: true, ..State::default() };
    let (ledger, store) = open(at_ease);
    let first = put(&ledger, "first");
    store.until_held(); // the flush of the first; what comes now is staged on this thread
    let kept = put(&ledger, "kept");
    store.set(|state| state.is_full = true);
    let refused = ledger.write(|tx| {
        tx.put(book("refused", "a"));
        tx.put(book("kept", "b"));
    });
    let seen = ledger.write(|tx| tx.get::<BookRow>(&"kept".to_owned()).unwrap().shelf.clone());
    assert_eq!(*seen.value(), "a", "it is as if never made");
    store.set(|state| state.is_full = false);
    let last = put(&ledger, "last");
    store.set(|state| state.flushes = true);
    for fine in [first, kept, last] {
        fine.durable().await.unwrap();
    }
    assert!(matches!(refused.durable().await, Err(LedgerError::Full)));
    seen.durable().await.unwrap();
    assert_eq!(titles(&ledger), ["first", "kept", "last"]);
    let again = Ledger::open(tables(), store).unwrap();
    assert_eq!(titles(&again), ["first", "kept", "last"]);
}
