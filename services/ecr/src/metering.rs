//! What is stored, for the bill. AWS docs: *Amazon ECR pricing*: storage by the GB-month.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_kernel::{Doors, UsageRecord};
use haar_ledger::Snapshot;
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::state::{LayerRow, RepositoryKey};

/// How often storage is metered.
const EVERY: Duration = Duration::from_secs(60);

/// Meters storage as time goes by.
pub(crate) struct Storage {
    doors: Doors,
    /// Metered up to here.
    until: Mutex<Timestamp>,
}

impl Storage {
    pub(crate) fn new(doors: &Doors) -> Self {
        Self { until: Mutex::new(doors.clock.now()), doors: doors.clone() }
    }

    /// Never ends.
    pub(crate) async fn run(&self) {
        let clock = &self.doors.clock;
        loop {
            clock.sleep_until_past(clock.now() + EVERY).await;
            let _working = clock.working();
            self.meter();
        }
    }

    /// Meters what is stored now for the time since the last call.
    pub(crate) fn meter(&self) {
        let now = self.doors.clock.now();
        let elapsed = {
            let mut until = self.until.lock();
            let elapsed = now.since(*until);
            *until = now;
            u64::try_from(elapsed.as_millis()).unwrap_or(0)
        };
        for (key, bytes) in stored(&self.doors.ledger.snapshot()) {
            // In KiB, so that a month of all that a disk holds fits.
            let kib_ms = bytes.div_ceil(1024).saturating_mul(elapsed);
            self.doors.meter.record(UsageRecord {
                account: key.registry.account.clone(),
                region: key.registry.region.clone(),
                at: now,
                service: "ecr",
                resource: key.name.clone(),
                quantities: vec![("kib-ms/standard", kib_ms)],
            });
        }
    }
}

/// Bytes of each repository's layers.
fn stored(snapshot: &Snapshot) -> BTreeMap<RepositoryKey, u64> {
    let mut sums = BTreeMap::new();
    for layer in snapshot.all::<LayerRow>() {
        let sum: &mut u64 = sums.entry(layer.key.repository.clone()).or_default();
        *sum = sum.saturating_add(layer.size);
    }
    sums
}
