//! What is used, for the bill. AWS docs: *Amazon S3 pricing*: requests by class, storage by the
//! GB-month.

use std::time::Duration;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::{Call, Doors, UsageRecord};
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::S3;
use crate::state::BucketRow;
use crate::store::Usage;

/// How often storage is metered.
const EVERY: Duration = Duration::from_secs(60);

/// Meters storage as time goes by.
pub(crate) struct Storage {
    /// Metered up to here.
    until: Mutex<Timestamp>,
    /// The day whose metrics were told last.
    told: Mutex<i64>,
}

/// What a request costs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    /// PUT, COPY, POST, LIST.
    Write,
    /// GET and all others; DELETE is free.
    Read,
}

impl Storage {
    pub(crate) fn new(doors: &Doors) -> Self {
        Self { until: Mutex::new(doors.clock.now()), told: Mutex::new(0) }
    }
}

impl S3 {
    /// Notes a request that AWS would charge.
    pub(crate) fn meter(&self, call: &Call, bucket: &BucketRow, class: Class) {
        let kind = match class {
            Class::Write => "requests/write",
            Class::Read => "requests/read",
        };
        self.doors.meter.record(UsageRecord {
            account: bucket.account.clone(),
            region: bucket.region.clone(),
            at: call.now,
            service: "s3",
            resource: bucket.name.clone(),
            quantities: vec![(kind, 1)],
        });
    }

    pub(crate) async fn run_storage(&self) {
        loop {
            self.doors.clock.sleep(EVERY).await;
            self.meter_storage();
        }
    }

    /// Meters what is stored now for the time since the last call.
    pub(crate) fn meter_storage(&self) {
        let now = self.doors.clock.now();
        let elapsed = {
            let mut until = self.storage.until.lock();
            let elapsed = now.since(*until);
            *until = now;
            u64::try_from(elapsed.as_millis()).unwrap_or(0)
        };
        let is_new_day = self.is_new_day(now);
        for bucket in self.doors.ledger.snapshot().all::<BucketRow>() {
            let usage = match self.store.usage_of(bucket.id) {
                Ok(usage) => usage,
                Err(error) => {
                    tracing::warn!(%error, "could not tell what a bucket holds");
                    continue;
                }
            };
            if is_new_day {
                self.tell_size(&bucket, usage, now);
            }
            let kib = u64::try_from(usage.bytes).unwrap_or(0).div_ceil(1024);
            if kib > 0 {
                // In KiB, so that a month of all that a disk holds fits.
                self.doors.meter.record(UsageRecord {
                    account: bucket.account.clone(),
                    region: bucket.region.clone(),
                    at: now,
                    service: "s3",
                    resource: bucket.name.clone(),
                    quantities: vec![("kib-ms/standard", kib.saturating_mul(elapsed))],
                });
            }
        }
    }

    /// Sizes are told once a day. AWS docs: *Amazon S3 User Guide > Metrics and dimensions*.
    fn is_new_day(&self, now: Timestamp) -> bool {
        const DAY_SECONDS: i64 = 24 * 3600;
        let today = now.seconds() / DAY_SECONDS;
        std::mem::replace(&mut *self.storage.told.lock(), today) != today
    }

    fn tell_size(&self, bucket: &BucketRow, usage: Usage, at: Timestamp) {
        let Some(sink) = self.doors.peeks.get::<dyn MetricSink>() else { return };
        for (metric, kind, unit, value) in [
            ("BucketSizeBytes", "StandardStorage", "Bytes", usage.bytes),
            ("NumberOfObjects", "AllStorageTypes", "Count", usage.count),
        ] {
            sink.record(Sample {
                account: &bucket.account,
                region: &bucket.region,
                namespace: "AWS/S3",
                metric,
                dimensions: &[("BucketName", &bucket.name), ("StorageType", kind)],
                unit,
                value: value as f64,
                at,
            });
        }
    }
}
