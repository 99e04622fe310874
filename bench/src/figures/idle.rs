//! Many idle tasks: what each costs beyond its own process, and haar's own rest. Needs root and
//! skopeo.

use std::time::Duration;

use crate::Bench;
use crate::cloud::{Cloud, data_dir};
use crate::images::Small;
use crate::tasks::Tasks;

/// How long it is watched whether haar rests.
const REST: Duration = Duration::from_secs(10);

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let count = bench.rounds(500);
    let (folder, data) = data_dir(&bench.haar)?;
    let small = Small::make(folder.path()).await?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut tasks = Tasks::new(&cloud, &small).await?;
    let warm = tasks.run("idle", 1).await?;
    tasks.until(&warm, "RUNNING").await?;

    let before = own_mib(&cloud);
    let mut all = Vec::new();
    let begun = std::time::Instant::now();
    for _ in 0..count / 10 {
        all.extend(tasks.run("idle", 10).await?);
    }
    for some in all.chunks(100) {
        tasks.until(some, "RUNNING").await?;
    }
    let took = begun.elapsed().as_secs_f64();
    let each = (own_mib(&cloud) - before) / count as f64;
    let rest = format!("all RUNNING after {took:.1} s");
    let what = format!("{count} idle tasks, memory of each beyond its process");
    bench.report.row(&what, format!("{each:.2} MiB"), rest, String::new(), "≤ 2 MiB");

    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = cloud.own_cpu();
    tokio::time::sleep(REST).await;
    let share = (cloud.own_cpu() - begun).as_secs_f64() / REST.as_secs_f64() * 100.0;
    let what = format!("{count} idle tasks, haar's own CPU at rest");
    bench.report.row(
        &what,
        format!("{share:.2} % of a core"),
        String::new(),
        String::new(),
        "≤ 1 %",
    );
    all.extend(warm);
    for arn in &all {
        tasks.ecs("StopTask", &serde_json::json!({ "task": arn })).await?;
    }
    for some in all.chunks(100) {
        tasks.until(some, "STOPPED").await?;
    }
    cloud.stop().await
}

/// Of the server and the helper, and of what else is not a task's program.
fn own_mib(cloud: &Cloud) -> f64 {
    cloud.processes().iter().filter(|process| process.name != "task").map(|one| one.mib).sum()
}
