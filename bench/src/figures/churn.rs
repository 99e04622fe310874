//! A service of a hundred tasks, one of them killed each second. Needs root and skopeo.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::Bench;
use crate::cloud::{Cloud, data_dir};
use crate::images::Small;
use crate::report::{Samples, milliseconds};
use crate::tasks::Tasks;

const TASKS: usize = 100;

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let (folder, data) = data_dir(&bench.haar)?;
    let small = Small::make(folder.path()).await?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut tasks = Tasks::new(&cloud, &small).await?;
    let warm = tasks.run("short", 1).await?;
    tasks.until(&warm, "STOPPED").await?;
    let (clean, rested) = (Traces::seen(&cloud)?, own_mib(&cloud));
    tasks.serve("churn", TASKS).await?;
    full(&mut tasks, TASKS).await?;

    let mut healed = Samples::default();
    for round in 0..bench.rounds(600) {
        let second = tokio::time::sleep(Duration::from_secs(1));
        let victims = programs(&cloud);
        let victim = victims.get(round * 7 % victims.len().max(1)).ok_or("no task runs")?;
        let begun = Instant::now();
        let pid = Pid::from_raw(victim.cast_signed()).ok_or("no process")?;
        kill_process(pid, Signal::KILL).map_err(|error| error.to_string())?;
        while programs(&cloud).contains(victim) || programs(&cloud).len() < TASKS {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("a killed task was not replaced".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        healed.add(begun.elapsed());
        second.await;
    }
    let what = format!("a service of {TASKS} tasks, one killed each second: back at {TASKS}, p50");
    let worst = format!("{} at worst of {}", milliseconds(healed.at(100)), bench.rounds(600));
    bench.report.row(&what, milliseconds(healed.p50()), worst, String::new(), "always back");

    let mut tasks = Tasks::again(&cloud).await?; // what is not used for long is hung up
    let end = json!({ "service": "churn", "force": true });
    tasks.ecs("DeleteService", &end).await?;
    full(&mut tasks, 0).await?;
    for _ in 0..600 {
        if programs(&cloud).is_empty() {
            break; // each had its grace to end
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (left, mib) = (Traces::seen(&cloud)?, own_mib(&cloud));
    let beside = format!("{:.1} MiB before, {mib:.1} MiB after", rested);
    bench.report.row(
        "the same, left behind",
        left.beyond(&clean),
        beside,
        String::new(),
        "nothing",
    );
    cloud.stop().await
}

/// Waits until so many tasks run and no other is on its way.
async fn full(tasks: &mut Tasks, count: usize) -> Result<(), String> {
    for _ in 0..6_000 {
        let answer = tasks.ecs("DescribeServices", &json!({ "services": ["churn"] })).await?;
        let service = &answer["services"][0];
        if service["runningCount"] == count && service["pendingCount"] == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(format!("the service did not come to {count}"))
}

fn programs(cloud: &Cloud) -> Vec<u32> {
    let all = cloud.processes();
    all.iter().filter(|process| process.name == "task").map(|process| process.pid).collect()
}

fn own_mib(cloud: &Cloud) -> f64 {
    cloud.processes().iter().filter(|process| process.name != "task").map(|one| one.mib).sum()
}

/// What tasks leave on a machine when they are not cleared away.
struct Traces {
    processes: usize,
    mounts: usize,
    interfaces: usize,
    namespaces: usize,
    groups: usize,
    files: usize,
}

impl Traces {
    fn seen(cloud: &Cloud) -> Result<Self, String> {
        let said = |error: std::io::Error| error.to_string();
        let processes = cloud.processes();
        let mounts = std::fs::read_to_string("/proc/mounts").map_err(said)?.lines().count();
        let interfaces = std::fs::read_dir("/sys/class/net").map_err(said)?.count();
        let files = processes
            .iter()
            .filter(|process| process.name != "task")
            .filter_map(|process| {
                Some(std::fs::read_dir(format!("/proc/{}/fd", process.pid)).ok()?.count())
            })
            .sum();
        let namespaces: std::collections::BTreeSet<_> = processes
            .iter()
            .filter_map(|process| std::fs::read_link(format!("/proc/{}/ns/net", process.pid)).ok())
            .collect();
        let groups = std::fs::read_to_string("/proc/cgroups").map_err(said)?;
        let groups = groups
            .lines()
            .filter(|line| line.starts_with("memory\t"))
            .filter_map(|line| line.split('\t').nth(2)?.parse::<usize>().ok())
            .sum();
        let (processes, namespaces) = (processes.len(), namespaces.len());
        Ok(Self { processes, mounts, interfaces, namespaces, groups, files })
    }

    fn beyond(&self, before: &Self) -> String {
        let all = [
            ("processes", self.processes, before.processes),
            ("mounts", self.mounts, before.mounts),
            ("interfaces", self.interfaces, before.interfaces),
            ("network namespaces", self.namespaces, before.namespaces),
            ("control groups", self.groups, before.groups),
            ("open files", self.files, before.files),
        ];
        let more = all.iter().filter(|(_, now, then)| now > then);
        let more: Vec<String> =
            more.map(|(what, now, then)| format!("{what}: {then} → {now}")).collect();
        if more.is_empty() { "nothing".to_owned() } else { more.join(", ") }
    }
}
