//! Compares embedded stores below the ledger: durable commits a second, load and open times.
//!
//! `cargo run --release -p haar-ledger --example stores -- [DIRECTORY]`; docs/decisions/0003
//! holds figures of it.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a measurement prints, and stops on errors

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haar_clock::Clock;
use haar_ledger::store::{Batch, FjallStore, Store, Visit};
use haar_ledger::{IndexEntry, Ledger, Row, StoreError, Tables};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

const COMMITS: u64 = 4_000;
const ROWS: u64 = 100_000;

fn main() {
    let base = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(base).unwrap();
    println!("{:<28} {:>10.0}/s", "append 200 B + fdatasync", flushes(dir.path()));
    compare("fjall", &dir.path().join("fjall"), |at| Arc::new(FjallStore::open(at).unwrap()));
    compare("redb", &dir.path().join("redb"), |at| Arc::new(RedbStore::open(at)));
}

/// What the disk gives to one writer without any engine.
fn flushes(dir: &Path) -> f64 {
    let mut file = File::create(dir.join("raw")).unwrap();
    let took = timed(|| {
        for _ in 0..500 {
            file.write_all(&[7; 200]).unwrap();
            file.sync_data().unwrap();
        }
    });
    500.0 / took.as_secs_f64()
}

fn compare(name: &str, dir: &Path, open: impl Fn(&Path) -> Arc<dyn Store>) {
    let mut store = None;
    let took = timed(|| store = Some(open(dir)));
    println!("{:<28} {:>10.1} ms", format!("{name}: open, empty"), millis(took));
    let ledger = Ledger::open(tables(), store.unwrap()).unwrap();
    for writers in [1, 16, 64] {
        let before = ledger.stats();
        let took = timed(|| commit_all(&ledger, writers));
        let after = ledger.stats();
        let group =
            (after.commits - before.commits) as f64 / (after.flushes - before.flushes) as f64;
        let rate = (after.commits - before.commits) as f64 / took.as_secs_f64();
        let what = format!("{name}: commits, {writers} writers");
        println!("{what:<28} {rate:>10.0}/s   {group:.1} a flush");
    }
    for first in (0..ROWS).step_by(100) {
        let rows = (first..first + 100).map(row);
        ledger.write(|tx| rows.for_each(|row| tx.put(row))).early().unwrap();
    }
    drop(ledger);
    let (mut rows, before) = (0, cpu_millis());
    let took = timed(|| {
        rows = Ledger::open(tables(), open(dir)).unwrap().snapshot().len::<ThingRow>();
    });
    assert_eq!(rows as u64, ROWS);
    let (what, cpu) = (format!("{name}: load {ROWS} rows"), cpu_millis() - before);
    println!("{what:<28} {:>10.1} ms   {cpu} ms of CPU", millis(took));
}

/// CPU time of this process so far, in steps of 10 ms.
fn cpu_millis() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

fn commit_all(ledger: &Ledger, writers: u64) {
    std::thread::scope(|scope| {
        for writer in 0..writers {
            scope.spawn(move || {
                for at in 0..COMMITS / writers {
                    ledger
                        .write(|tx| tx.put(row(writer * (COMMITS / writers) + at)))
                        .wait()
                        .unwrap();
                }
            });
        }
    });
}

fn timed(work: impl FnOnce()) -> Duration {
    let clock = Clock::system();
    let start = clock.moment();
    work();
    clock.moment().since(start)
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// About as large as a function's row.
#[derive(Clone, Serialize, Deserialize)]
struct ThingRow {
    arn: String,
    role: String,
    handler: String,
    environment: Vec<(String, String)>,
    memory: u32,
    timeout: u32,
    created_at: i64,
}

impl Row for ThingRow {
    type Key = String;
    const TABLE: &'static str = "bench.thing";

    fn key(&self) -> String {
        self.arn.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new("role", &*self.role)]
    }
}

fn row(at: u64) -> ThingRow {
    ThingRow {
        arn: format!("arn:aws:lambda:us-east-1:000000000000:function:thing-{at}"),
        role: format!("arn:aws:iam::000000000000:role/role-{}", at % 100),
        handler: "index.handler".to_owned(),
        environment: vec![("STAGE".to_owned(), "test".to_owned())],
        memory: 512,
        timeout: 3,
        created_at: 1_769_851_800_125,
    }
}

fn tables() -> Tables {
    Tables::new().with::<ThingRow>()
}

/// The runner-up.
struct RedbStore(Database);

const REDB_ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

impl RedbStore {
    fn open(path: &Path) -> Self {
        Self(Database::builder().set_cache_size(4 << 20).create(path).unwrap())
    }
}

impl Store for RedbStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let write = self.0.begin_write().map_err(StoreError::backend)?;
        {
            let mut rows = write.open_table(REDB_ROWS).map_err(StoreError::backend)?;
            for (table, key, value) in batch.iter() {
                let at = [table.as_bytes(), &[0], key].concat();
                match value {
                    Some(value) => drop(rows.insert(&*at, value).map_err(StoreError::backend)?),
                    None => drop(rows.remove(&*at).map_err(StoreError::backend)?),
                }
            }
        }
        write.commit().map_err(StoreError::backend)
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let read = self.0.begin_read().map_err(StoreError::backend)?;
        let Ok(rows) = read.open_table(REDB_ROWS) else {
            return Ok(());
        };
        for entry in rows.iter().map_err(StoreError::backend)? {
            let (at, value) = entry.map_err(StoreError::backend)?;
            let zero = at.value().iter().position(|byte| *byte == 0).unwrap();
            let (table, key) = at.value().split_at(zero);
            if !visit(str::from_utf8(table).unwrap(), &key[1..], value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        let write = self.0.begin_write().map_err(StoreError::backend)?;
        write.delete_table(REDB_ROWS).map_err(StoreError::backend)?;
        write.commit().map_err(StoreError::backend)
    }
}
