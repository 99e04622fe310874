//! From `RunTask` to a container's first instruction, and short tasks by the second, beside crun
//! and runc. Needs root and skopeo.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::Bench;
use crate::cloud::{Cloud, data_dir};
use crate::images::Small;
use crate::peers::{Bundle, installed};
use crate::report::{Samples, milliseconds, ratio};
use crate::tasks::Tasks;

/// Tasks, or runs, that are going on at once.
const LANES: usize = 4;

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let (folder, data) = data_dir(&bench.haar)?;
    let small = Small::make(folder.path()).await?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut tasks = Tasks::new(&cloud, &small).await?;
    let mut bundles = Vec::new();
    for runtime in installed().await {
        bundles.push((runtime, Bundle::make(runtime, &small).await?));
    }
    first(&mut tasks).await?; // the image is unpacked by the first
    starts(bench, &mut tasks, &bundles).await?;
    rates(bench, &cloud, &bundles).await?;
    cloud.stop().await
}

/// Runs a task to its end; from the request to its first instruction.
async fn first(tasks: &mut Tasks) -> Result<Duration, String> {
    let sent = monotonic();
    let arns = tasks.run("short", 1).await?;
    tasks.until(&arns, "STOPPED").await?;
    Ok(tasks.began(&arns[0]).await?.saturating_sub(sent))
}

/// The clock that containers share with their host.
fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// Turn by turn, so that all meet the machine in the same moods.
async fn starts(
    bench: &mut Bench,
    tasks: &mut Tasks,
    bundles: &[(&str, Bundle)],
) -> Result<(), String> {
    let mut ours = Samples::default();
    let mut theirs: Vec<Samples> = bundles.iter().map(|_| Samples::default()).collect();
    for round in 0..bench.rounds(100) {
        ours.add(first(tasks).await?);
        for ((_, bundle), samples) in bundles.iter().zip(&mut theirs) {
            samples.add(bundle.start(&format!("start-{round}")).await?);
        }
    }
    for ((runtime, _), samples) in bundles.iter().zip(&theirs) {
        bench.report.row(
            "RunTask to the first instruction, network included: p50",
            milliseconds(ours.p50()),
            format!("{}: {runtime} run, no network", milliseconds(samples.p50())),
            ratio(ours.p50(), samples.p50()),
            if *runtime == "crun" { "≤ 0.5 ×" } else { "≤ 0.3 ×" },
        );
    }
    Ok(())
}

/// Processors' time that was spent.
struct Spent {
    machine: Duration,
    server: Duration,
    /// The helper itself, without what it runs.
    helper: Duration,
}

impl Spent {
    fn now(cloud: &Cloud) -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        // idle, and idle while it waits for a disk, are the fourth and the fifth
        let busy = fields.take(7).enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
        let ticks: u64 = busy.filter_map(|(_, field)| field.parse::<u64>().ok()).sum();
        let own: Vec<_> = cloud.processes().iter().map(|one| one.cpu).collect();
        Self {
            machine: Duration::from_millis(ticks * 10),
            server: own.first().copied().unwrap_or_default(),
            helper: own.get(1).copied().unwrap_or_default(),
        }
    }
}

async fn rates(bench: &mut Bench, cloud: &Cloud, bundles: &[(&str, Bundle)]) -> Result<(), String> {
    let count = bench.rounds(100).max(20);
    let lanes = (0..LANES).map(|_| async {
        let mut tasks = Tasks::again(cloud).await?;
        for _ in 0..count / 10 {
            let arns = tasks.run("short", 10).await?;
            tasks.until(&arns, "STOPPED").await?;
        }
        Ok::<_, String>(())
    });
    let before = Spent::now(cloud);
    let begun = Instant::now();
    try_join_all(lanes).await?;
    let ours = (LANES * count) as f64 / begun.elapsed().as_secs_f64();
    let spent = Spent::now(cloud);
    let each = |after: Duration, before: Duration| {
        milliseconds(after.saturating_sub(before) / (LANES * count) as u32)
    };
    bench.report.row(
        "short tasks: the processors' time that each takes",
        format!("{} of the whole machine", each(spent.machine, before.machine)),
        format!(
            "{} in the server, {} in its helper",
            each(spent.server, before.server),
            each(spent.helper, before.helper)
        ),
        String::new(),
        "",
    );
    for (runtime, bundle) in bundles {
        let begun = Instant::now();
        try_join_all((0..LANES).map(|lane| bundle.runs(lane, count))).await?;
        let theirs = (LANES * count) as f64 / begun.elapsed().as_secs_f64();
        bench.report.row(
            &format!("short tasks, from request to STOPPED, {LANES} lanes"),
            format!("{ours:.0}/s"),
            format!("{theirs:.0}/s: {runtime} run"),
            format!("{:.2} ×", ours / theirs),
            if *runtime == "crun" { "≥ 1.2 ×" } else { "≥ 3 ×" },
        );
    }
    Ok(())
}
