//! Container Insights, for clusters that have it on.
//!
//! *CloudWatch User Guide > Amazon ECS Container Insights metrics*.

use std::collections::BTreeMap;

use haar_cloudwatch_contract::peek::MetricSink;

use super::{ENHANCED, Sight, enhanced, sample};
use crate::Ecs;
use crate::state::{
    ClusterKey, ClusterRow, ServiceKey, ServiceRow, ServiceStatus, TaskKey, TaskRow, TaskStatus,
};

const NAMESPACE: &str = "ECS/ContainerInsights";

/// What is summed up over tasks.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    cpu_used: f64,
    cpu_reserved: f64,
    memory_used: f64,
    memory_reserved: f64,
    rx: f64,
    tx: f64,
    read: f64,
    written: f64,
    ephemeral_reserved: f64,
}

impl Sums {
    pub(super) fn add(&mut self, sight: &Sight) {
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / sight.seconds;
        let (now, before) = (&sight.stats, &sight.before);
        self.cpu_used += sight.cpu_used;
        self.cpu_reserved += sight.cpu_reserved;
        self.memory_used += sight.memory_used;
        self.memory_reserved += sight.memory_reserved;
        self.ephemeral_reserved += sight.ephemeral_reserved;
        self.rx += rate(now.network_rx.bytes, before.network_rx.bytes);
        self.tx += rate(now.network_tx.bytes, before.network_tx.bytes);
        self.read += now.block_read.bytes.saturating_sub(before.block_read.bytes) as f64;
        self.written += now.block_write.bytes.saturating_sub(before.block_write.bytes) as f64;
    }

    /// Names, units and values; what only tasks have comes last.
    pub(super) fn values(self) -> [(&'static str, &'static str, f64); 9] {
        [
            ("CpuUtilized", "None", self.cpu_used),
            ("CpuReserved", "None", self.cpu_reserved),
            ("MemoryUtilized", "Megabytes", self.memory_used),
            ("MemoryReserved", "Megabytes", self.memory_reserved),
            ("NetworkRxBytes", "Bytes/Second", self.rx),
            ("NetworkTxBytes", "Bytes/Second", self.tx),
            ("StorageReadBytes", "Bytes", self.read),
            ("StorageWriteBytes", "Bytes", self.written),
            ("EphemeralStorageReserved", "Gigabytes", self.ephemeral_reserved),
        ]
    }
}

/// What one place's values are told with.
pub(super) struct Place<'a> {
    metrics: &'a dyn MetricSink,
    pub(super) cluster: &'a ClusterKey,
    at: haar_types::Timestamp,
}

impl Place<'_> {
    pub(super) fn tell(
        &self,
        dimensions: &[(&str, &str)],
        (metric, unit, value): (&str, &str, f64),
    ) {
        let names = (NAMESPACE, metric);
        self.metrics.record(sample(self.cluster, names, dimensions, (unit, value), self.at));
    }

    fn count(&self, dimensions: &[(&str, &str)], metric: &str, count: usize) {
        self.tell(dimensions, (metric, "Count", count as f64));
    }
}

impl Ecs {
    pub(super) fn tell_insights(&self, metrics: &dyn MetricSink, sights: &[Sight]) {
        let snapshot = self.doors.ledger.snapshot();
        let at = self.doors.clock.now();
        for cluster in snapshot.all::<ClusterRow>() {
            if !cluster.is_active || cluster.container_insights == "disabled" {
                continue;
            }
            let place = Place { metrics, cluster: &cluster.key, at };
            tell_usage(&place, sights);
            if cluster.container_insights == ENHANCED {
                enhanced::tell(&place, sights);
            }
            let tasks: Vec<_> = snapshot.range::<TaskRow>(TaskKey::all(&cluster.key)).collect();
            let alive = tasks.iter().filter(|task| task.last_status != TaskStatus::Stopped);
            let services = snapshot.range::<ServiceRow>(ServiceKey::all(&cluster.key));
            let services: Vec<_> =
                services.filter(|row| row.status == ServiceStatus::Active).collect();
            let by_cluster = [("ClusterName", cluster.key.name.as_str())];
            place.count(&by_cluster, "TaskCount", alive.count());
            place.count(&by_cluster, "ServiceCount", services.len());
            for service in &services {
                tell_service(&place, service, &tasks);
            }
        }
    }
}

fn tell_usage(place: &Place<'_>, sights: &[Sight]) {
    let own = sights.iter().filter(|sight| sight.row.key.cluster == *place.cluster);
    let own = own.filter(|sight| sight.container.is_none());
    let mut whole = Sums::default();
    let mut families = BTreeMap::<&str, Sums>::new();
    let mut services = BTreeMap::<&str, Sums>::new();
    for sight in own {
        whole.add(sight);
        families.entry(&sight.row.definition.family).or_default().add(sight);
        if let Some(service) = &sight.row.service {
            services.entry(&service.name).or_default().add(sight);
        }
    }
    let cluster = ("ClusterName", place.cluster.name.as_str());
    let tell = |dimensions: &[(&str, &str)], sums: Sums| {
        sums.values().into_iter().for_each(|value| place.tell(dimensions, value));
    };
    tell(&[cluster], whole);
    families
        .iter()
        .for_each(|(name, sums)| tell(&[cluster, ("TaskDefinitionFamily", name)], *sums));
    services.iter().for_each(|(name, sums)| tell(&[cluster, ("ServiceName", name)], *sums));
}

fn tell_service(place: &Place<'_>, service: &ServiceRow, tasks: &[std::sync::Arc<TaskRow>]) {
    let own = || tasks.iter().filter(|task| task.service.as_ref() == Some(&service.key));
    let running = own().filter(|task| task.last_status == TaskStatus::Running).count();
    let pending = own().filter(|task| task.last_status < TaskStatus::Running).count();
    let dimensions =
        [("ClusterName", place.cluster.name.as_str()), ("ServiceName", service.key.name.as_str())];
    place.count(&dimensions, "RunningTaskCount", running);
    place.count(&dimensions, "PendingTaskCount", pending);
    let desired = usize::try_from(service.desired_count).unwrap_or(usize::MAX);
    place.count(&dimensions, "DesiredTaskCount", desired);
    place.count(&dimensions, "DeploymentCount", service.rollouts.len());
    place.count(&dimensions, "TaskSetCount", 0);
}
