//! One suite for all stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_ledger::store::{Batch, FjallStore, MemoryStore, Store};
use haar_ledger::{Ledger, LedgerError, StoreError, Tables};

use crate::rows::{BookRow, VisitRow, book, tables};

type Rows = BTreeMap<(String, Vec<u8>), Vec<u8>>;

fn rows(store: &dyn Store) -> Rows {
    let mut rows = Rows::new();
    let scanned = store.scan(&mut |table, key, value| {
        let old = rows.insert((table.to_owned(), key.to_vec()), value.to_vec());
        assert!(old.is_none(), "a scan shows each row once");
        true
    });
    scanned.unwrap();
    rows
}

type Write<'a> = (&'static str, &'a [u8], Option<&'a [u8]>);

fn batch(writes: &[Write<'_>]) -> Batch {
    let mut batch = Batch::default();
    for (table, key, value) in writes {
        batch.set(table, key.to_vec(), value.map(<[u8]>::to_vec));
    }
    batch
}

/// What every store does; `reopen` closes it and opens it again.
fn suite(mut store: Arc<dyn Store>, reopen: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>) {
    assert!(rows(&*store).is_empty());
    let writes = batch(&[
        ("a", b"1", Some(b"one")),
        ("a", b"", Some(b"")),
        ("a", b"\0\xff", Some(b"odd")),
        ("ab", b"1", Some(b"other table")),
    ]);
    store.commit(&writes).unwrap();
    let later = batch(&[("a", b"1", None), ("a", b"2", Some(b"x")), ("b", b"gone", None)]);
    store.commit(&later).unwrap();
    let mut overwrites = batch(&[("a", b"2", Some(b"early"))]);
    overwrites.append(batch(&[("a", b"2", Some(b"late"))]));
    store.commit(&overwrites).unwrap();

    let expected = [
        ("a", &b""[..], &b""[..]),
        ("a", b"\0\xff", b"odd"),
        ("a", b"2", b"late"),
        ("ab", b"1", b"other table"),
    ];
    let expected: Rows = expected
        .map(|(table, key, value)| ((table.to_owned(), key.to_vec()), value.to_vec()))
        .into();
    assert_eq!(rows(&*store), expected);
    store = reopen(store);
    assert_eq!(rows(&*store), expected);

    let mut seen = 0;
    store
        .scan(&mut |_, _, _| {
            seen += 1;
            false
        })
        .unwrap();
    assert_eq!(seen, 1, "a scan ends when told to");

    store.clear().unwrap();
    assert!(rows(&*store).is_empty());
    store.commit(&batch(&[("a", b"1", Some(b"again"))])).unwrap();
    store = reopen(store);
    assert_eq!(rows(&*store).len(), 1);
}

#[test]
fn the_memory_store_passes() {
    suite(Arc::new(MemoryStore::new()), |store| store);
}

#[test]
fn the_fjall_store_passes() {
    let dir = tempfile::tempdir().unwrap();
    let open = || -> Arc<dyn Store> { Arc::new(FjallStore::open(dir.path()).unwrap()) };
    suite(open(), |store| {
        drop(store);
        open()
    });
}

#[test]
fn a_second_opening_of_a_data_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let first = FjallStore::open(dir.path()).unwrap();
    let error = FjallStore::open(dir.path()).err().unwrap();
    assert!(matches!(&error, StoreError::Locked(at) if at == dir.path()), "{error}");
    drop(first);
    FjallStore::open(dir.path()).unwrap();
}

#[test]
fn rows_of_a_table_that_this_haar_does_not_know_stay() {
    let dir = tempfile::tempdir().unwrap();
    let open =
        |tables| Ledger::open(tables, Arc::new(FjallStore::open(dir.path()).unwrap())).unwrap();
    let put = |ledger: &Ledger| ledger.write(|tx| tx.put(book("Emma", "a")));
    put(&open(tables())).wait().unwrap();
    let narrow = open(Tables::new().with::<VisitRow>());
    let visit = VisitRow { reader: (1, 1), count: 1 };
    narrow.write(|tx| tx.put(visit)).wait().unwrap();
    drop(narrow);
    let whole = open(tables()).snapshot();
    assert_eq!((whole.len::<BookRow>(), whole.len::<VisitRow>()), (1, 1));
}

#[test]
fn a_damaged_row_is_named_and_nothing_opens() {
    let disk = Arc::new(MemoryStore::new());
    disk.commit(&batch(&[("library.book", b"k", Some(b"\xc1"))])).unwrap();
    let error = Ledger::open(tables(), disk).err().unwrap();
    assert!(matches!(error, LedgerError::Decode { table: "library.book", .. }), "{error}");
}
