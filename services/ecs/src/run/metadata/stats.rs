//! What containers use, in the form of Docker's statistics.

use std::time::Duration;

use haar_substrate::{SandboxId, Stats, Transfer};
use serde_json::{Map, Value, json};

use crate::Ecs;
use crate::render::runtime_id;
use crate::state::{TaskContainer, TaskRow, TaskStatus, sandbox_name};

/// One container's statistics; `null` while it does not run.
pub(super) async fn of_container(
    room: &Ecs,
    row: &TaskRow,
    container: &TaskContainer,
) -> Option<Value> {
    if container.last_status != TaskStatus::Running {
        return Some(Value::Null);
    }
    let id = SandboxId(sandbox_name(&row.key));
    let stats = room.doors.substrate.container_stats(&id, &container.name).await.ok()?;
    Some(shown(room, row, container, &stats))
}

/// All containers' statistics, by their ids.
pub(super) async fn of_task(room: &Ecs, row: &TaskRow) -> Value {
    let mut all = Map::new();
    for container in &row.containers {
        let stats = of_container(room, row, container).await.unwrap_or(Value::Null);
        all.insert(runtime_id(row, container), stats);
    }
    Value::Object(all)
}

fn shown(room: &Ecs, row: &TaskRow, container: &TaskContainer, stats: &Stats) -> Value {
    let now = room.doors.clock.now();
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    json!({
        "read": now.iso_millis(),
        "preread": "0001-01-01T00:00:00Z",
        "name": container.name,
        "id": runtime_id(row, container),
        "num_procs": 0,
        "pids_stats": { "current": stats.pids },
        "cpu_stats": {
            "cpu_usage": { "total_usage": nanos(stats.cpu) },
            "online_cpus": cores,
            "system_cpu_usage": now.0.unsigned_abs().saturating_mul(1_000_000),
        },
        "memory_stats": {
            "usage": stats.memory_bytes,
            "max_usage": stats.memory_peak_bytes,
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
    })
}

fn network(rx: &Transfer, tx: &Transfer) -> Value {
    json!({
        "rx_bytes": rx.bytes, "rx_packets": rx.count,
        "rx_errors": rx.error_count, "rx_dropped": rx.dropped_count,
        "tx_bytes": tx.bytes, "tx_packets": tx.count,
        "tx_errors": tx.error_count, "tx_dropped": tx.dropped_count,
    })
}
