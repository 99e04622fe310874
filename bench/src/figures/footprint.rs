//! From start to healthy, idle memory, the binary's size.

use std::path::Path;
use std::time::Duration;

use futures_util::future::try_join_all;
use http::Method;

use crate::Bench;
use crate::client::{Ask, Connection};
use crate::cloud::{Cloud, data_dir};
use crate::report::{Samples, milliseconds};

const WRITERS: usize = 64;

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    size(bench)?;
    let mut empty = Samples::default();
    for _ in 0..bench.rounds(10) {
        let (_folder, data) = data_dir(&bench.haar)?;
        let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
        empty.add(cloud.healthy_after);
        cloud.stop().await?;
    }
    let none = String::new;
    let ours = milliseconds(empty.p50());
    bench.report.row(
        "start to healthy, empty data directory: p50",
        ours,
        none(),
        none(),
        "≤ 50 ms",
    );

    let cloud = Cloud::start(&bench.haar, None, &[]).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (server, others) = cloud.resident_mib();
    cloud.stop().await?;
    let beside = format!("{others:.1} MiB in its helper and prepared sandboxes");
    bench.report.row("idle memory", format!("{server:.1} MiB"), beside, none(), "≤ 30 MiB");

    let count = bench.rounds(100_000);
    let (_folder, data) = data_dir(&bench.haar)?;
    fill(&bench.haar, &data, count).await?;
    let mut full = Samples::default();
    for _ in 0..3 {
        let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
        full.add(cloud.healthy_after);
        cloud.stop().await?;
    }
    let what = format!("start to healthy, {count} resources: p50");
    bench.report.row(&what, milliseconds(full.p50()), none(), none(), "≤ 1 s");
    Ok(())
}

fn size(bench: &mut Bench) -> Result<(), String> {
    let bytes = std::fs::metadata(&bench.haar).map_err(|error| error.to_string())?.len();
    let ours = format!("{:.1} MB", bytes as f64 / 1e6);
    bench.report.row("the binary", ours, String::new(), String::new(), "≤ 50 MB");
    Ok(())
}

/// Creates so many users through the API.
async fn fill(haar: &Path, data: &Path, count: usize) -> Result<(), String> {
    let cloud = Cloud::start(haar, Some(data), &[]).await?;
    let writers = (0..WRITERS).map(|writer| {
        let authority = cloud.authority.clone();
        tokio::spawn(async move {
            let mut connection = Connection::open(&authority).await?;
            for number in (writer..count).step_by(WRITERS) {
                let form = format!("Action=CreateUser&Version=2010-05-08&UserName=user-{number}");
                let ask = Ask::new(Method::POST, "/", form)
                    .at_service("iam")
                    .header("content-type", "application/x-www-form-urlencoded");
                connection.must(&ask).await?;
            }
            Ok::<(), String>(())
        })
    });
    let done = try_join_all(writers).await.map_err(|error| error.to_string())?;
    done.into_iter().collect::<Result<Vec<()>, _>>()?;
    cloud.stop().await
}
