//! The ledger against the obvious implementation: a `BTreeMap`.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_ledger::store::MemoryStore;
use haar_ledger::{Ledger, LedgerError, Snapshot};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::rows::{BookRow, tables};

type Model = BTreeMap<String, BookRow>;

#[derive(Clone, Debug)]
enum Deed {
    Put(BookRow),
    Remove(String),
}

#[derive(Clone, Debug)]
struct Script {
    deeds: Vec<Deed>,
    fails: bool,
    reopens: bool,
}

fn title() -> impl Strategy<Value = String> {
    "[a-d]{1,2}"
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (title(), "[x-z]{0,2}", 0..3_u32)
            .prop_map(|(title, shelf, wear)| Deed::Put(BookRow { title, shelf, wear })),
        1 => title().prop_map(Deed::Remove),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    (vec(deed(), 0..6), prop::bool::weighted(0.2), prop::bool::weighted(0.1))
        .prop_map(|(deeds, fails, reopens)| Script { deeds, fails, reopens })
}

/// What the transaction leaves: nothing new when it fails or breaks a row's invariant.
fn expected(model: &Model, script: &Script) -> Model {
    let mut next = model.clone();
    for deed in &script.deeds {
        match deed {
            Deed::Put(row) => _ = next.insert(row.title.clone(), row.clone()),
            Deed::Remove(title) => _ = next.remove(title),
        }
    }
    let broken =
        next.iter().any(|(title, row)| model.get(title).is_some_and(|old| row.wear < old.wear));
    if script.fails || broken { model.clone() } else { next }
}

fn run(ledger: &Ledger, script: &Script) {
    let outcome = ledger.transact(|tx| {
        for deed in &script.deeds {
            match deed {
                Deed::Put(row) => tx.put(row.clone()),
                Deed::Remove(title) => _ = tx.remove::<BookRow>(title),
            }
        }
        if script.fails { Err(()) } else { Ok(()) }
    });
    if let Ok(committed) = outcome {
        let outcome = committed.wait();
        assert!(matches!(outcome, Ok(()) | Err(LedgerError::Invariant { .. })));
    }
}

fn compare(now: &Snapshot, model: &Model) {
    let rows: Vec<BookRow> = now.all::<BookRow>().map(|row| (*row).clone()).collect();
    assert!(rows.iter().eq(model.values()), "{rows:?} is not {model:?}");
    for shelf in ["", "x", "y", "xy", "zz"] {
        let found: Vec<_> =
            now.by_index::<BookRow>("shelf", shelf).map(|row| row.title.clone()).collect();
        assert!(
            found.iter().eq(model.values().filter(|row| row.shelf == shelf).map(|row| &row.title))
        );
        let begins = now.by_index_prefix::<BookRow>("shelf", shelf).count();
        assert_eq!(begins, model.values().filter(|row| row.shelf.starts_with(shelf)).count());
    }
    let (low, high) = ("b".to_owned(), "ca".to_owned());
    let within: Vec<_> = now.range::<BookRow>(low.clone()..=high.clone()).collect();
    assert!(within.iter().map(|row| &**row).eq(model.range(low..=high).map(|(_, row)| row)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

    #[test]
    fn the_ledger_agrees_with_a_map(scripts in vec(script(), 1..30)) {
        let disk = Arc::new(MemoryStore::new());
        let mut ledger = Ledger::open(tables(), disk.clone()).unwrap();
        let mut model = Model::new();
        for script in &scripts {
            let next = expected(&model, script);
            run(&ledger, script);
            model = next;
            if script.reopens {
                drop(ledger);
                ledger = Ledger::open(tables(), disk.clone()).unwrap();
            }
            compare(&ledger.snapshot(), &model);
        }
    }
}
