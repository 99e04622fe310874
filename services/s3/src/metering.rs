//! What is used, for the bill. AWS docs: *Amazon S3 pricing*: requests by class, storage by the
//! GB-month.

use std::time::Duration;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::{Call, Doors, UsageRecord};
use haar_s3_contract::model::{Payer, StorageClass, Tier};
use haar_types::{AccountId, Timestamp};
use parking_lot::Mutex;

use crate::S3;
use crate::rules::archive::Restore;
use crate::state::BucketRow;
use crate::store::{Record, Usage};

/// How often storage is metered.
const EVERY: Duration = Duration::from_secs(60);

/// Classes of what is stored: how they are metered, and what CloudWatch calls them.
const STORED: [(StorageClass, &str, &str); 7] = [
    (StorageClass::Standard, "kib-ms/standard", "StandardStorage"),
    (StorageClass::Glacier, "kib-ms/glacier", "GlacierStorage"),
    (StorageClass::DeepArchive, "kib-ms/deep-archive", "DeepArchiveStorage"),
    (StorageClass::StandardIa, "kib-ms/standard-ia", "StandardIAStorage"),
    (StorageClass::OnezoneIa, "kib-ms/onezone-ia", "OneZoneIAStorage"),
    (StorageClass::GlacierIr, "kib-ms/glacier-ir", "GlacierInstantRetrievalStorage"),
    // nothing is moved between its tiers
    (StorageClass::IntelligentTiering, "kib-ms/standard", "IntelligentTieringFAStorage"),
];

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
    /// The same into the class `GLACIER`, also by a lifecycle rule.
    Archive,
    /// The same into the class `DEEP_ARCHIVE`.
    DeepArchive,
    /// The same into the classes `STANDARD_IA` and `ONEZONE_IA`.
    Infrequent,
    /// The same into the class `GLACIER_IR`.
    InstantArchive,
    /// GET and all others; DELETE is free.
    Read,
}

impl Class {
    /// Of a request that writes a version.
    pub(crate) fn of_write(record: &Record) -> Self {
        match record.manner.headers.storage_class {
            Some(StorageClass::Glacier) => Self::Archive,
            Some(StorageClass::DeepArchive) => Self::DeepArchive,
            Some(StorageClass::StandardIa | StorageClass::OnezoneIa) => Self::Infrequent,
            Some(StorageClass::GlacierIr) => Self::InstantArchive,
            _ => Self::Write,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Write => "requests/write",
            Self::Archive => "requests/glacier",
            Self::DeepArchive => "requests/deep-archive",
            Self::Infrequent => "requests/infrequent",
            Self::InstantArchive => "requests/glacier-ir",
            Self::Read => "requests/read",
        }
    }
}

impl Storage {
    pub(crate) fn new(doors: &Doors) -> Self {
        Self { until: Mutex::new(doors.clock.now()), told: Mutex::new(0) }
    }
}

impl S3 {
    /// Notes a request that AWS would charge.
    pub(crate) fn meter(&self, call: &Call, bucket: &BucketRow, class: Class) {
        let payer = match bucket.payer {
            Payer::Requester => call.principal.identity.account(),
            Payer::BucketOwner => None,
        };
        let payer = payer.unwrap_or(&bucket.account);
        self.record_usage_of(payer, bucket, call.now, vec![(class.kind(), 1)]);
    }

    /// Notes what a move to another class by a lifecycle rule costs.
    pub(crate) fn meter_transition(&self, bucket: &BucketRow, record: &Record) {
        let kind = match record.manner.headers.storage_class {
            Some(StorageClass::GlacierIr) => "transitions/glacier-ir",
            Some(StorageClass::Glacier | StorageClass::DeepArchive) => {
                Class::of_write(record).kind()
            }
            _ => "transitions/infrequent",
        };
        self.record_usage(bucket, self.doors.clock.now(), vec![(kind, 1)]);
    }

    /// Notes bytes that are read of a class where that is paid for.
    pub(crate) fn meter_retrieval(&self, bucket: &BucketRow, record: &Record, bytes: u64) {
        let kind = match record.manner.headers.storage_class {
            Some(StorageClass::StandardIa | StorageClass::OnezoneIa) => "kib-retrieved/infrequent",
            Some(StorageClass::GlacierIr) => "kib-retrieved/glacier-ir",
            _ => return,
        };
        self.record_usage(bucket, self.doors.clock.now(), vec![(kind, bytes.div_ceil(1024))]);
    }

    /// Notes what a restoration costs: the request, and the bytes.
    pub(crate) fn meter_restore(
        &self,
        call: &Call,
        bucket: &BucketRow,
        record: &Record,
        restore: Restore,
    ) {
        let is_deep = record.manner.headers.storage_class == Some(StorageClass::DeepArchive);
        let (request, bytes) = match (is_deep, restore.tier) {
            (false, Tier::Expedited) => ("restores/expedited", "kib-restored/expedited"),
            (false, Tier::Standard) => ("restores/glacier", "kib-restored/glacier"),
            (false, Tier::Bulk) => return, // free
            (true, Tier::Bulk) => ("restores/deep-archive-bulk", "kib-restored/deep-archive-bulk"),
            (true, _) => ("restores/deep-archive", "kib-restored/deep-archive"),
        };
        let kib = record.size.div_ceil(1024);
        self.record_usage(bucket, call.now, vec![(request, 1), (bytes, kib)]);
    }

    /// Notes what a copy in another bucket costs: the request, and the way to another region.
    pub(crate) fn meter_copy(&self, source: &BucketRow, target: &BucketRow, record: &Record) {
        let mut quantities = vec![(Class::of_write(record).kind(), 1)];
        let kib = record.size.div_ceil(1024);
        if source.region != target.region && kib > 0 {
            quantities.push(("kib-out/inter-region", kib));
        }
        self.record_usage(source, self.doors.clock.now(), quantities);
    }

    fn record_usage(
        &self,
        bucket: &BucketRow,
        at: Timestamp,
        quantities: Vec<(&'static str, u64)>,
    ) {
        self.record_usage_of(&bucket.account, bucket, at, quantities);
    }

    fn record_usage_of(
        &self,
        account: &AccountId,
        bucket: &BucketRow,
        at: Timestamp,
        quantities: Vec<(&'static str, u64)>,
    ) {
        self.doors.meter.record(UsageRecord {
            account: account.clone(),
            region: bucket.region.clone(),
            at,
            service: "s3",
            resource: bucket.name.clone(),
            quantities,
        });
    }

    pub(crate) async fn run_storage(&self) {
        let clock = &self.doors.clock;
        loop {
            clock.sleep_until_past(clock.now() + EVERY).await;
            let _working = clock.working();
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
            let mut quantities = Vec::new();
            for (class, kind, _) in STORED {
                let kib = u64::try_from(usage.of_class(class)).unwrap_or(0).div_ceil(1024);
                if kib > 0 {
                    // In KiB, so that a month of all that a disk holds fits.
                    quantities.push((kind, kib.saturating_mul(elapsed)));
                }
            }
            if !quantities.is_empty() {
                self.record_usage(&bucket, now, quantities);
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
        let sizes = STORED
            .map(|(class, _, kind)| ("BucketSizeBytes", kind, "Bytes", usage.of_class(class)))
            .into_iter()
            // of a class that holds nothing, nothing is told
            .filter(|(_, kind, _, bytes)| *bytes > 0 || *kind == "StandardStorage");
        let count = ("NumberOfObjects", "AllStorageTypes", "Count", usage.count);
        for (metric, kind, unit, value) in sizes.chain([count]) {
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
