//! A thousand functions, each invoked once, two hundred at a time, and again when all that ran is
//! gone: what stays the second time, beyond what calls leave on record, is a leak.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::Bench;
use crate::client::Connection;
use crate::cloud::{Cloud, data_dir};
use crate::functions::{Kind, Maker, invocation};

const AT_ONCE: usize = 200;
/// Idle environments end after minutes on AWS; here after seconds.
const FAST: &[&str] = &["--wait-divisor", "100"];
/// How long after their end memory has been given back.
const SETTLED: Duration = Duration::from_secs(3);
/// Longest wait for them to end.
const REAPED_MAX: Duration = Duration::from_secs(60);

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let count = bench.rounds(1_000);
    let (_folder, data) = data_dir(&bench.haar)?;
    let cloud = Cloud::start(&bench.haar, Some(&data), FAST).await?;
    let mut maker = Maker::new(&cloud.authority).await?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(maker.make(Kind::Static, &[]).await?);
    }
    tokio::time::sleep(SETTLED).await;
    let before = cloud.resident_mib();
    let first = crowd(&cloud, &names).await?;
    let peak = cloud.resident_mib();
    let after = reaped(&cloud, before.1).await;
    let second = crowd(&cloud, &names).await?;
    let again = reaped(&cloud, before.1).await;
    let resident = format!("{:.0} MiB before, {:.0} and {:.0}", before.0, after.0, again.0);
    bench.report.row(
        &format!("{count} functions invoked once, {AT_ONCE} at a time, twice"),
        format!("{} failures, {:.1} s", first.failed + second.failed, first.taken.as_secs_f64()),
        format!("{:.0} MiB in sandboxes after", peak.1),
        format!("server {resident} after reaping"),
        "0 failures",
    );
    cloud.stop().await
}

/// How calling each function once went.
struct Called {
    taken: Duration,
    failed: usize,
}

async fn crowd(cloud: &Cloud, names: &[String]) -> Result<Called, String> {
    let begun = Instant::now();
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let calls = names.iter().map(|name| {
        let (gate, authority, ask) = (gate.clone(), cloud.authority.clone(), invocation(name));
        tokio::spawn(async move {
            let _place = gate.acquire().await.map_err(|error| error.to_string())?;
            let body = Connection::open(&authority).await?.must(&ask).await?;
            let fine = body.starts_with(b"{\"hello\"");
            fine.then_some(()).ok_or_else(|| String::from_utf8_lossy(&body).into_owned())
        })
    });
    let answers = join_all(calls).await;
    let taken = begun.elapsed();
    let failures: Vec<String> = answers
        .into_iter()
        .filter_map(|answer| answer.map_err(|e| e.to_string()).flatten().err())
        .collect();
    if let Some(first) = failures.first() {
        eprintln!("  first failure: {first}");
    }
    Ok(Called { taken, failed: failures.len() })
}

/// Memory a little after idle environments have ended.
async fn reaped(cloud: &Cloud, idle: f64) -> (f64, f64) {
    let begun = Instant::now();
    loop {
        let now = cloud.resident_mib();
        if now.1 <= idle + 8.0 || begun.elapsed() > REAPED_MAX {
            tokio::time::sleep(SETTLED).await;
            return cloud.resident_mib();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
