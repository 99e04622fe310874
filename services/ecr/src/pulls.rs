//! Pulls: counted in CloudWatch, dated on the image.

use std::sync::{Arc, OnceLock};

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::{Doors, Principal};

use crate::state::{ImageKey, ImageRow, RegistryRow};

/// How seldom the date of the last pull is written, in milliseconds. AWS does so at least once
/// every 24 hours.
const RECORD_EVERY_MS: i64 = 60_000;

/// Records pulls, off their path.
pub(crate) struct Pulls {
    doors: Doors,
    sink: OnceLock<Option<Arc<dyn MetricSink>>>,
}

impl Pulls {
    pub(crate) fn new(doors: &Doors) -> Self {
        Self { doors: doors.clone(), sink: OnceLock::new() }
    }

    /// Takes note of a pull of an image.
    pub(crate) fn record(&self, image: &ImageRow, by: &Principal) {
        let key = &image.key;
        self.count(key);
        let now = self.doors.clock.now();
        let is_fresh = image.pulled_at.is_some_and(|at| now.0 - at.0 < RECORD_EVERY_MS);
        if is_fresh || self.is_excluded(key, by) {
            return;
        }
        // Not waited for: a lost date is written with the next pull.
        let date = |row: &mut ImageRow| row.pulled_at = Some(now);
        let _ = self.doors.ledger.write(|tx| tx.update(key, date)).early();
    }

    /// AWS docs: *Amazon ECR User Guide > Amazon ECR repository metrics*.
    fn count(&self, key: &ImageKey) {
        let sink = self.sink.get_or_init(|| self.doors.peeks.get::<dyn MetricSink>());
        let Some(sink) = sink else { return };
        let registry = &key.repository.registry;
        sink.record(Sample {
            account: &registry.account,
            region: &registry.region,
            namespace: "AWS/ECR",
            metric: "RepositoryPullCount",
            dimensions: &[("RepositoryName", &key.repository.name)],
            unit: "None",
            value: 1.0,
            at: self.doors.clock.now(),
        });
    }

    /// AWS docs: *Amazon ECR API Reference > RegisterPullTimeUpdateExclusion*.
    fn is_excluded(&self, key: &ImageKey, by: &Principal) -> bool {
        let snapshot = self.doors.ledger.snapshot();
        let row = snapshot.get::<RegistryRow>(&key.repository.registry);
        row.is_some_and(|row| {
            row.pull_time_exclusions.keys().any(|excluded| by.is_or_acts_as(excluded))
        })
    }
}

trait ActsAs {
    fn is_or_acts_as(&self, arn: &str) -> bool;
}

impl ActsAs for Principal {
    fn is_or_acts_as(&self, arn: &str) -> bool {
        match &self.identity {
            haar_policy::Principal::RoleSession { role_arn, .. } => role_arn == arn,
            _ => self.arn() == arn,
        }
    }
}
