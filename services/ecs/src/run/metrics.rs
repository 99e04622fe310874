//! What tasks use, once a minute: into CloudWatch and the bill.

mod enhanced;
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
use crate::run::environment::overridden;
use crate::state::{
    ClusterKey, ClusterRow, DefinitionRow, TaskContainer, TaskKey, TaskRow, TaskStatus,
    sandbox_name,
};
use usage::Whom;

/// The value of `containerInsights` with which tasks and containers have metrics of their own.
const ENHANCED: &str = "enhanced";

/// How often. *Developer Guide > Amazon ECS CloudWatch metrics*: one-minute periods.
const EVERY: Duration = Duration::from_secs(60);

/// Rounds in that time in which tasks that have just begun are charged their first minute, which
/// they owe in any case: so the bill knows them soon.
const ROUNDS: u32 = 12;

/// What a task, or a container of it, has used since it was looked at before.
pub(super) struct Sight {
    pub(super) row: Arc<TaskRow>,
    /// The container; none of the task as a whole.
    pub(super) container: Option<String>,
    /// CPU units, of `cpu_reserved`.
    pub(super) cpu_used: f64,
    pub(super) cpu_reserved: f64,
    /// MiB, of `memory_reserved`.
    pub(super) memory_used: f64,
    pub(super) memory_reserved: f64,
    /// GiB of scratch disk.
    pub(super) ephemeral_reserved: f64,
    /// Since it began.
    pub(super) stats: Stats,
    /// Since the last look.
    pub(super) before: Stats,
    pub(super) seconds: f64,
}

/// By task and container, as in [`Sight`]; when, by the machine's clock, as what is used is real.
type Before = BTreeMap<(TaskKey, Option<String>), (Stats, Timestamp)>;

impl Ecs {
    /// Looks at all running tasks once a minute; never ends. The wiring spawns it.
    pub async fn measure(self: Arc<Self>) {
        let before = Mutex::new(Before::new());
        let used = async {
            loop {
                self.doors.clock.sleep(EVERY).await;
                let sights = self.look(&before).await;
                if let Some(metrics) = self.doors.peeks.get::<dyn MetricSink>() {
                    self.tell_utilization(&*metrics, &sights);
                    self.tell_insights(&*metrics, &sights);
                }
            }
        };
        futures_util::join!(used, self.charge_always());
    }

    /// Charges by the cloud's time, a minute of which may pass at once.
    async fn charge_always(&self) {
        let clock = &self.doors.clock;
        let mut all_at = clock.now() + EVERY;
        loop {
            clock.sleep_until_past(clock.now() + EVERY / ROUNDS).await;
            let (_working, now) = (clock.working(), clock.now());
            let is_minute = now >= all_at || now + EVERY < all_at; // or the clock was put back
            if is_minute {
                all_at = now + EVERY;
            }
            self.charge(if is_minute { Whom::All } else { Whom::Begun }).await;
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
            let cluster = snapshot.get::<ClusterRow>(&row.key.cluster);
            let mut subjects = vec![None];
            if cluster.is_some_and(|cluster| cluster.container_insights == ENHANCED) {
                let runs = |one: &&TaskContainer| one.last_status == TaskStatus::Running;
                let running = row.containers.iter().filter(runs);
                subjects.extend(running.map(|one| Some(one.name.clone())));
            }
            for container in subjects {
                let key = (row.key.clone(), container);
                let known = before.lock().get(&key).copied();
                let seen = self.see((&row, &definition), &key.1, known).await;
                if let Some((sight, at)) = seen {
                    next.insert(key, (sight.stats, at));
                    sights.push(sight);
                }
            }
        }
        *before.lock() = next;
        sights
    }

    async fn see(
        &self,
        (row, definition): (&Arc<TaskRow>, &DefinitionRow),
        container: &Option<String>,
        known: Option<(Stats, Timestamp)>,
    ) -> Option<(Sight, Timestamp)> {
        let id = SandboxId(sandbox_name(&row.key));
        let stats = match container {
            None => self.doors.substrate.stats(&id).await,
            Some(name) => self.doors.substrate.container_stats(&id, name).await,
        };
        let stats = stats.ok()?;
        let own = container.as_ref().and_then(|name| row.container(name)?.started_at);
        let started = own.or(row.times.started_at).unwrap_or(row.created_at);
        let clock = &self.doors.clock;
        let (before, since) = known.unwrap_or((Stats::default(), clock.to_machine(started)));
        let now = clock.machine().now();
        let of = (row, definition);
        Some((sight(of, container.clone(), (before, stats), now.since(since)), now))
    }

    /// Namespace `AWS/ECS`, by service and by cluster.
    fn tell_utilization(&self, metrics: &dyn MetricSink, sights: &[Sight]) {
        let now = self.doors.clock.now();
        for sight in sights {
            let Some(service) = sight.row.service.as_ref().filter(|_| sight.container.is_none())
            else {
                continue;
            };
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
    (row, definition): (&Arc<TaskRow>, &DefinitionRow),
    container: Option<String>,
    (before, stats): (Stats, Stats),
    passed: Duration,
) -> Sight {
    let (mut cpu, mut memory) = task_size(&row.overrides, &definition.definition);
    if let Some(name) = &container {
        let own = own_size(row, definition, name);
        (cpu, memory) = (own.0.unwrap_or(cpu), own.1.unwrap_or(memory));
    }
    let seconds = passed.as_secs_f64().max(0.001);
    let used = stats.cpu.saturating_sub(before.cpu).as_secs_f64();
    let working_set = stats.memory_bytes.saturating_sub(stats.cache_bytes);
    Sight {
        row: Arc::clone(row),
        container,
        ephemeral_reserved: f64::from(row.ephemeral_gib),
        cpu_used: used / seconds * 1024.0,
        cpu_reserved: f64::from(cpu),
        memory_used: working_set as f64 / f64::from(1 << 20),
        memory_reserved: f64::from(memory),
        stats,
        before,
        seconds,
    }
}

/// CPU units and MiB that a container has for itself; `None`: what its task has.
fn own_size(row: &TaskRow, definition: &DefinitionRow, name: &str) -> (Option<u32>, Option<u32>) {
    let mut all = definition.definition.container_definitions.iter().flatten();
    let own = all.find(|one| one.name.as_deref() == Some(name));
    let over = overridden(row, name);
    let cpu = over.and_then(|over| over.cpu).or(own.and_then(|own| own.cpu));
    let memory = over.and_then(|over| over.memory);
    let memory = memory.or(own.and_then(|own| own.memory.or(own.memory_reservation)));
    let some = |number: Option<i32>| {
        number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
    };
    (some(cpu), some(memory))
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
