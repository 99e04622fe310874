//! Durable writes beside the store's own durable rate: the ledger's alone, then through the
//! whole of haar, where the front door's own rate is a limit too.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use haar_ledger::store::{Batch, FjallStore, Store as _};
use haar_ledger::{Ledger, Row, Tables};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Bench;
use crate::client::{Ask, at_once};
use crate::cloud::{Cloud, data_dir};
use crate::echo::Echo;
use crate::functions::{Kind, Maker};

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let length = Duration::from_secs(if bench.quick { 1 } else { 4 });
    let (_folder, data) = data_dir(&bench.haar)?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut maker = Maker::new(&cloud.authority).await?;
    let function = maker.make(Kind::Python, &[]).await?;
    let tag = |number: usize| {
        let path = format!(
            "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3A{function}",
        );
        let document = json!({ "Tags": { format!("tag{number}"): "COUNT" } });
        Ask::new(Method::POST, path, document.to_string()).at_service("lambda")
    };
    let echo = Echo::start().await?;
    for writers in [1, 16, 64] {
        let (_folder, folder) = data_dir(&bench.haar)?;
        let store = store_rate(&folder, writers, length)?;
        let (_folder, folder) = data_dir(&bench.haar)?;
        let ledger = ledger_rate(&folder, writers, length).await?;
        bench.report.row(
            &format!("the ledger's commits, durable, {writers} at once"),
            format!("{ledger:.0}/s"),
            format!("{store:.0} rows/s: the store alone, {writers} rows a flush"),
            format!("{:.2} ×", ledger / store),
            "≥ 1 ×",
        );
        let ours = at_once(&cloud.authority, writers, length, |number| tag(number % 40)).await?;
        let door = at_once(&echo.authority, writers, length, |number| tag(number % 40)).await?;
        // one request's time through the door and one commit's, one after the other
        let limit = 1.0 / (1.0 / door + 1.0 / store);
        bench.report.row(
            &format!("TagResource, durable, {writers} at once"),
            format!("{ours:.0}/s"),
            format!("{limit:.0}/s: {door:.0}/s echo, then {store:.0} rows/s"),
            format!("{:.2} ×", ours / limit),
            "",
        );
    }
    drop(echo);
    cloud.stop().await
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
async fn ledger_rate(
    folder: &std::path::Path,
    writers: usize,
    length: Duration,
) -> Result<f64, String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let store = FjallStore::open(folder).map_err(|error| error.to_string())?;
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

/// Rows a second of the bare store, so many in each durable batch.
fn store_rate(folder: &std::path::Path, group: usize, length: Duration) -> Result<f64, String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let store = FjallStore::open(folder).map_err(|error| error.to_string())?;
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
