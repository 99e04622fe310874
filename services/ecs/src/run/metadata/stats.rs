//! What containers use, in the form of Docker's statistics.

use haar_substrate::{SandboxId, Stats, Transfer};
use haar_types::Timestamp;
use serde_json::{Map, Value, json};

use crate::Ecs;
use crate::ops::task_size;
use crate::render::runtime_id;
use crate::run::environment::overridden;
use crate::state::{DefinitionRow, TaskContainer, TaskRow, TaskStatus, sandbox_name};

/// One container's statistics; `null` while it does not run.
pub(super) async fn of_container(
    room: &Ecs,
    (row, definition): (&TaskRow, &DefinitionRow),
    container: &TaskContainer,
) -> Option<Value> {
    if container.last_status != TaskStatus::Running {
        return Some(Value::Null);
    }
    let id = SandboxId(sandbox_name(&row.key));
    let stats = room.doors.substrate.container_stats(&id, &container.name).await.ok()?;
    let now = cpu(room.doors.clock.machine().now(), &stats);
    let before = room.runs.remember_cpu((&row.key, &container.name), now.clone());
    let before = before.unwrap_or_else(|| {
        let none = json!({ "cpu_usage": { "total_usage": 0 } });
        json!({ "read": "0001-01-01T00:00:00Z", "stats": none })
    });
    Some(json!({
        "name": container.name,
        "id": runtime_id(row, container),
        "read": now["read"],
        "preread": before["read"],
        "cpu_stats": now["stats"],
        "precpu_stats": before["stats"],
        "num_procs": 0,
        "pids_stats": { "current": stats.pids },
        "memory_stats": {
            "usage": stats.memory_bytes,
            "max_usage": stats.memory_peak_bytes,
            "limit": limit_bytes((row, definition), container),
            "stats": { "cache": stats.cache_bytes },
        },
        "blkio_stats": {
            "io_service_bytes_recursive": [
                { "op": "read", "value": stats.block_read.bytes },
                { "op": "write", "value": stats.block_write.bytes },
            ],
            "io_serviced_recursive": [
                { "op": "read", "value": stats.block_read.count },
                { "op": "write", "value": stats.block_write.count },
            ],
        },
        "networks": { "eth0": network(&stats.network_rx, &stats.network_tx) },
    }))
}

/// All containers' statistics, by their ids.
pub(super) async fn of_task(room: &Ecs, (row, definition): (&TaskRow, &DefinitionRow)) -> Value {
    let mut all = Map::new();
    for container in &row.containers {
        let stats = of_container(room, (row, definition), container).await.unwrap_or(Value::Null);
        all.insert(runtime_id(row, container), stats);
    }
    Value::Object(all)
}

/// A container's processor time so far, and all cores' together.
fn cpu(now: Timestamp, stats: &Stats) -> Value {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let nanos = u64::try_from(stats.cpu.as_nanos()).unwrap_or(u64::MAX);
    let each = now.0.unsigned_abs().saturating_mul(1_000_000);
    json!({
        "read": now.iso_millis(),
        "stats": {
            "cpu_usage": { "total_usage": nanos },
            "online_cpus": cores,
            "system_cpu_usage": each.saturating_mul(cores as u64),
        },
    })
}

/// What a container may hold in memory: its own bound, else its task's.
fn limit_bytes((row, definition): (&TaskRow, &DefinitionRow), container: &TaskContainer) -> u64 {
    let mut all = definition.definition.container_definitions.iter().flatten();
    let own = all.find(|one| one.name.as_ref() == Some(&container.name));
    let over = overridden(row, &container.name).and_then(|over| over.memory);
    let own = over.or(own.and_then(|own| own.memory)).and_then(|own| u32::try_from(own).ok());
    let (_, task) = task_size(&row.overrides, &definition.definition);
    u64::from(own.filter(|own| *own > 0).unwrap_or(task)) << 20
}

fn network(rx: &Transfer, tx: &Transfer) -> Value {
    json!({
        "rx_bytes": rx.bytes, "rx_packets": rx.count,
        "rx_errors": rx.error_count, "rx_dropped": rx.dropped_count,
        "tx_bytes": tx.bytes, "tx_packets": tx.count,
        "tx_errors": tx.error_count, "tx_dropped": tx.dropped_count,
    })
}
