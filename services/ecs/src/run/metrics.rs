//! What tasks use, once a minute: into CloudWatch and the bill.

mod insights;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_substrate::{SandboxId, Stats};
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::Ecs;
use crate::ops::task_size;
use crate::state::{ClusterKey, DefinitionRow, TaskKey, TaskRow, TaskStatus, sandbox_name};
use usage::Whom;

/// How often. *Developer Guide > Amazon ECS CloudWatch metrics*: one-minute periods.
const EVERY: Duration = Duration::from_secs(60);

/// Rounds in that time in which tasks that have just begun are charged their first minute, which
/// they owe in any case: so the bill knows them soon.
const ROUNDS: u32 = 12;

/// What a task has used since it was looked at before.
pub(super) struct Sight {
    pub(super) row: Arc<TaskRow>,
    /// CPU units, of `cpu_reserved`.
    pub(super) cpu_used: f64,
    pub(super) cpu_reserved: f64,
    /// MiB, of `memory_reserved`.
    pub(super) memory_used: f64,
    pub(super) memory_reserved: f64,
    /// Since the task began.
    pub(super) stats: Stats,
    /// Since the last look.
    pub(super) before: Stats,
    pub(super) seconds: f64,
}

type Before = BTreeMap<TaskKey, (Stats, Timestamp)>;

impl Ecs {
    /// Looks at all running tasks once a minute; never ends. The wiring spawns it.
    pub async fn measure(self: Arc<Self>) {
        let before = Mutex::new(Before::new());
        loop {
            for _ in 1..ROUNDS {
                self.doors.clock.sleep(EVERY / ROUNDS).await;
                self.charge(Whom::Begun).await;
            }
            self.doors.clock.sleep(EVERY / ROUNDS).await;
            let sights = self.look(&before).await;
            if let Some(metrics) = self.doors.peeks.get::<dyn MetricSink>() {
                self.tell_utilization(&*metrics, &sights);
                self.tell_insights(&*metrics, &sights);
            }
            self.charge(Whom::All).await;
        }
    }

    async fn look(&self, before: &Mutex<Before>) -> Vec<Sight> {
        let snapshot = self.doors.ledger.snapshot();
        let (mut sights, mut next) = (Vec::new(), Before::new());
        for row in snapshot.by_index_prefix::<TaskRow>("alive", "") {
            if row.last_status != TaskStatus::Running {
                continue;
            }
            let Some(definition) = snapshot.get::<DefinitionRow>(&row.definition) else { continue };
            let id = SandboxId(sandbox_name(&row.key));
            let Ok(stats) = self.doors.substrate.stats(&id).await else { continue };
            let now = self.doors.clock.now();
            next.insert(row.key.clone(), (stats, now));
            let known = before.lock().get(&row.key).copied();
            let started = row.times.started_at.unwrap_or(row.created_at);
            let (before, since) = known.unwrap_or((Stats::default(), started));
            sights.push(sight(row, &definition, (before, stats), now.since(since)));
        }
        *before.lock() = next;
        sights
    }

    /// Namespace `AWS/ECS`, by service and by cluster.
    fn tell_utilization(&self, metrics: &dyn MetricSink, sights: &[Sight]) {
        let now = self.doors.clock.now();
        for sight in sights {
            let Some(service) = &sight.row.service else { continue };
            let cluster = &sight.row.key.cluster;
            let by_service =
                [("ClusterName", cluster.name.as_str()), ("ServiceName", service.name.as_str())];
            for (metric, value) in [
                ("CPUUtilization", percent(sight.cpu_used, sight.cpu_reserved)),
                ("MemoryUtilization", percent(sight.memory_used, sight.memory_reserved)),
            ] {
                for dimensions in [&by_service[..], &by_service[..1]] {
                    let unit = "Percent";
                    metrics.record(sample(
                        cluster,
                        ("AWS/ECS", metric),
                        dimensions,
                        (unit, value),
                        now,
                    ));
                }
            }
        }
    }
}

fn sight(
    row: Arc<TaskRow>,
    definition: &DefinitionRow,
    (before, stats): (Stats, Stats),
    passed: Duration,
) -> Sight {
    let (cpu, memory) = task_size(&row.overrides, &definition.definition);
    let seconds = passed.as_secs_f64().max(0.001);
    let used = stats.cpu.saturating_sub(before.cpu).as_secs_f64();
    let working_set = stats.memory_bytes.saturating_sub(stats.cache_bytes);
    Sight {
        row,
        cpu_used: used / seconds * 1024.0,
        cpu_reserved: f64::from(cpu),
        memory_used: working_set as f64 / f64::from(1 << 20),
        memory_reserved: f64::from(memory),
        stats,
        before,
        seconds,
    }
}

fn percent(used: f64, reserved: f64) -> f64 {
    if reserved > 0.0 { used / reserved * 100.0 } else { 0.0 }
}

fn sample<'a>(
    cluster: &'a ClusterKey,
    (namespace, metric): (&'a str, &'a str),
    dimensions: &'a [(&'a str, &'a str)],
    (unit, value): (&'a str, f64),
    at: Timestamp,
) -> Sample<'a> {
    let (account, region) = (&cluster.account, &cluster.region);
    Sample { account, region, namespace, metric, dimensions, unit, value, at }
}
