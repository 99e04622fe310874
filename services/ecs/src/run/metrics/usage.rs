//! What Fargate charges for: vCPU, memory and scratch disk, by the second, a minute at least.
//!
//! *AWS Fargate Pricing*: from the begin of the image pull until the task has stopped.

use std::time::Duration;

use haar_ecs_contract::model::CPUArchitecture;
use haar_kernel::UsageRecord;
use haar_types::Timestamp;

use crate::Ecs;
use crate::ops::task_size;
use crate::rules::fargate::EPHEMERAL_GIB;
use crate::state::{DefinitionRow, MeterRow, TaskRow, TaskStatus};

/// The shortest time that is charged.
const LEAST: Duration = Duration::from_secs(60);

/// Which tasks are charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Those that never were.
    Begun,
    /// All.
    All,
}

impl Ecs {
    /// Charges tasks for the time since they were charged last.
    pub(super) async fn charge(&self, whom: Whom) {
        let snapshot = self.doors.ledger.snapshot();
        let now = self.doors.clock.now();
        let mut rows = Vec::new();
        for task in snapshot.all::<TaskRow>() {
            let Some(definition) = snapshot.get::<DefinitionRow>(&task.definition) else {
                continue;
            };
            let charged = snapshot.get::<MeterRow>(&task.key).map(|row| row.charged);
            let Some(begun) = task.times.pull_started_at else { continue };
            if whom == Whom::Begun && charged.is_some() {
                continue;
            }
            let total = due(&task, begun, now);
            let charged = charged.unwrap_or_default();
            if total <= charged {
                continue;
            }
            self.doors.meter.record(record(&task, &definition, total - charged, now));
            rows.push(MeterRow { key: task.key.clone(), charged: total });
        }
        if rows.is_empty() {
            return;
        }
        let committed = self.doors.ledger.write(|tx| rows.into_iter().for_each(|row| tx.put(row)));
        if let Err(error) = committed.durable().await {
            tracing::error!(%error, "what tasks were charged for was not kept");
        }
    }
}

/// All that a task is to be charged for so far, in whole seconds.
fn due(task: &TaskRow, begun: Timestamp, now: Timestamp) -> Duration {
    let end = match task.last_status {
        TaskStatus::Stopped => task.times.stopped_at.unwrap_or(now),
        _ => now,
    };
    Duration::from_secs(end.since(begun).as_secs()).max(LEAST)
}

fn record(
    task: &TaskRow,
    definition: &DefinitionRow,
    time: Duration,
    now: Timestamp,
) -> UsageRecord {
    let (cpu, memory) = task_size(&task.overrides, &definition.definition);
    let platform = definition.definition.runtime_platform.as_ref();
    let is_arm = platform.and_then(|it| it.cpu_architecture) == Some(CPUArchitecture::Arm64);
    let is_spot = task.capacity_provider.as_deref() == Some("FARGATE_SPOT");
    let (cpu_kind, memory_kind) = match (is_arm, is_spot) {
        (false, false) => ("cpu-unit-s/x86_64", "mb-s/x86_64"),
        (false, true) => ("spot-cpu-unit-s/x86_64", "spot-mb-s/x86_64"),
        (true, false) => ("cpu-unit-s/arm64", "mb-s/arm64"),
        (true, true) => ("spot-cpu-unit-s/arm64", "spot-mb-s/arm64"),
    };
    let seconds = time.as_secs();
    let mut quantities =
        vec![(cpu_kind, u64::from(cpu) * seconds), (memory_kind, u64::from(memory) * seconds)];
    let storage = u64::from(task.ephemeral_gib.saturating_sub(EPHEMERAL_GIB));
    if storage > 0 {
        quantities.push(("ephemeral-gb-s", storage * seconds));
    }
    let service = task.service.as_ref().map(|service| service.name.clone());
    UsageRecord {
        account: task.key.cluster.account.clone(),
        region: task.key.cluster.region.clone(),
        at: now,
        service: "ecs",
        resource: service.unwrap_or_else(|| task.definition.family.clone()),
        quantities,
    }
}
