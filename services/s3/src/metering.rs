//! What is used, for the bill. AWS docs: *Amazon S3 pricing*: requests by class, storage by the
//! GB-month.

use std::time::Duration;

use haar_kernel::{Call, Doors, UsageRecord};
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::S3;
use crate::state::BucketRow;

/// How often storage is metered.
const EVERY: Duration = Duration::from_secs(60);

/// Meters storage as time goes by.
pub(crate) struct Storage {
    /// Metered up to here.
    until: Mutex<Timestamp>,
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
        Self { until: Mutex::new(doors.clock.now()) }
    }
}

impl S3 {
    /// Notes a request that AWS would charge.
    pub(crate) fn meter(&self, call: &Call, bucket: &BucketRow, class: Class) {
        let kind = match class {
            Class::Write => "requests/tier1",
            Class::Read => "requests/tier2",
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
        for bucket in self.doors.ledger.snapshot().all::<BucketRow>() {
            let usage = match self.store.usage_of(bucket.id) {
                Ok(usage) => usage,
                Err(error) => {
                    tracing::warn!(%error, "could not tell what a bucket holds");
                    continue;
                }
            };
            // In KiB, so that a month of all that a disk holds fits.
            let kib = u64::try_from(usage.bytes).unwrap_or(0).div_ceil(1024);
            if kib > 0 {
                self.doors.meter.record(UsageRecord {
                    account: bucket.account.clone(),
                    region: bucket.region.clone(),
                    at: now,
                    service: "s3",
                    resource: bucket.name.clone(),
                    quantities: vec![("kib-ms/s3-standard", kib.saturating_mul(elapsed))],
                });
            }
        }
    }
}
