//! The ledger's durable commits beside what its store alone does with as many rows a flush.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use haar_kv::{Durability, Kv};
use haar_ledger::store::{Batch, FjallStore, Store as _};
use haar_ledger::{Ledger, Row, Tables};
use serde::{Deserialize, Serialize};

use crate::Bench;
use crate::cloud::data_dir;

/// How often the two take turns: a disk's mood of a second then meets both.
const TURNS: u32 = 4;

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let length = Duration::from_secs(if bench.quick { 2 } else { 4 });
    for writers in [1, 16, 64] {
        let (mut store, mut ledger, mut bare) = (0.0, 0.0, 0.0);
        for _ in 0..TURNS {
            store += store_rate(bench, writers, length / TURNS)? / f64::from(TURNS);
            ledger += ledger_rate(bench, writers, length / TURNS).await? / f64::from(TURNS);
            bare += bare_rate(bench, writers, length / TURNS).await? / f64::from(TURNS);
        }
        bench.report.row(
            &format!("the ledger's commits, durable, {writers} at once"),
            format!("{ledger:.0}/s"),
            format!("{store:.0} rows/s: the store alone, {writers} rows a flush"),
            format!("{:.2} ×", ledger / store),
            "≥ 1 ×",
        );
        bench.report.row(
            &format!("the ledger's commits, durable, {writers} at once"),
            format!("{ledger:.0}/s"),
            format!("{bare:.0}/s: as many writers that put a record of the store and wait for it"),
            format!("{:.2} ×", ledger / bare),
            "",
        );
    }
    Ok(())
}

/// What a control-plane write weighs.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    number: usize,
    text: String,
}

impl Row for Record {
    type Key = usize;
    const TABLE: &'static str = "bench.row";

    fn key(&self) -> usize {
        self.number
    }
}

/// Durable commits a second of a ledger, by so many writers that each wait for theirs.
async fn ledger_rate(bench: &Bench, writers: usize, length: Duration) -> Result<f64, String> {
    let (_folder, folder) = data_dir(&bench.haar)?;
    let store = opened(&folder)?;
    let tables = Tables::new().with::<Record>();
    let ledger = Ledger::open(tables, std::sync::Arc::new(store)).map_err(|e| e.to_string())?;
    let begun = Instant::now();
    let all = (0..writers).map(|writer| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mut count = 0_usize;
            while begun.elapsed() < length {
                let number = (writer + count * writers) % 1000; // another than all others' now
                let row = Record { number, text: "x".repeat(1000) };
                let committed = ledger.write(|tx| tx.put(row));
                committed.durable().await.map_err(|error| error.to_string())?;
                count += 1;
            }
            Ok::<_, String>(count)
        })
    });
    let counts = try_join_all(all).await.map_err(|error| error.to_string())?;
    let total: usize = counts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

/// Records a second by so many writers that each wait for theirs, and do nothing else: they share
/// flushes as the ledger's do.
async fn bare_rate(bench: &Bench, writers: usize, length: Duration) -> Result<f64, String> {
    let (_folder, folder) = data_dir(&bench.haar)?;
    let kv = Kv::open(&folder).map_err(|error| error.to_string())?;
    let rows = kv.keyspace("bench.row").map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let all = (0..writers).map(|writer| {
        let (kv, rows) = (kv.clone(), rows.clone());
        tokio::spawn(async move {
            let mut count = 0_usize;
            while begun.elapsed() < length {
                let number = (writer + count * writers) % 1000;
                let mut batch = haar_kv::Batch::new();
                batch.put(&rows, format!("row-{number}"), vec![b'x'; 1000]);
                let kept = kv.commit(batch, Durability::Synced).await;
                kept.map_err(|error| error.to_string())?;
                count += 1;
            }
            Ok::<_, String>(count)
        })
    });
    let counts = try_join_all(all).await.map_err(|error| error.to_string())?;
    let total: usize = counts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

/// Rows a second of the bare store, so many in each durable batch.
pub(super) fn store_rate(bench: &Bench, group: usize, length: Duration) -> Result<f64, String> {
    let (_folder, folder) = data_dir(&bench.haar)?;
    let store = opened(&folder)?;
    let begun = Instant::now();
    let mut rows = 0_usize;
    while begun.elapsed() < length {
        let mut batch = Batch::default();
        for _ in 0..group {
            let key = format!("row-{}", rows % 1000).into_bytes();
            batch.set("bench.row", key, Some(vec![b'x'; 1000]));
            rows += 1;
        }
        store.commit(&batch).map_err(|error| error.to_string())?;
    }
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}

fn opened(folder: &Path) -> Result<FjallStore, String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    FjallStore::open(folder).map_err(|error| error.to_string())
}
