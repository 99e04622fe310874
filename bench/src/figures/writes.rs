//! Durable writes beside the store's own durable rate.

use std::time::{Duration, Instant};

use haar_ledger::store::{Batch, FjallStore, Store as _};
use http::Method;
use serde_json::json;

use crate::Bench;
use crate::client::{Ask, at_once};
use crate::cloud::{Cloud, data_dir};
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
    for writers in [1, 16, 64] {
        let ours = at_once(&cloud.authority, writers, length, |number| tag(number % 40)).await?;
        let (_folder, folder) = data_dir(&bench.haar)?;
        let peer = store_rate(&folder, writers, length)?;
        bench.report.row(
            &format!("TagResource, durable, {writers} at once"),
            format!("{ours:.0}/s"),
            format!("{peer:.0} rows/s: the store alone, {writers} rows a flush"),
            format!("{:.2} ×", ours / peer),
            "≥ 1 × a flush",
        );
    }
    cloud.stop().await
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
