//! What tables and their backups hold, for the bill. AWS docs: *Amazon DynamoDB pricing*.

use haar_dynamodb_contract::{BackupStatus, BillingMode, TableClass};
use haar_kernel::UsageRecord;
use haar_types::Timestamp;

use crate::Dynamodb;
use crate::state::{BackupRow, TableKey, TableRow};

/// Kinds of what is billed, by the class of a table.
pub(crate) struct Kinds {
    /// Halves of units that were read on demand.
    pub(crate) read: &'static str,
    /// Units that were written on demand.
    pub(crate) written: &'static str,
    held: &'static str,
    read_provisioned: &'static str,
    write_provisioned: &'static str,
}

const STANDARD: Kinds = Kinds {
    read: "half-read-units",
    written: "write-units",
    held: "kib-ms/standard",
    read_provisioned: "read-unit-ms/provisioned",
    write_provisioned: "write-unit-ms/provisioned",
};

const INFREQUENT: Kinds = Kinds {
    read: "half-read-units/infrequent",
    written: "write-units/infrequent",
    held: "kib-ms/infrequent",
    read_provisioned: "read-unit-ms/provisioned-infrequent",
    write_provisioned: "write-unit-ms/provisioned-infrequent",
};

impl Kinds {
    pub(crate) fn of(table: &TableRow) -> &'static Self {
        match table.class {
            TableClass::Standard => &STANDARD,
            TableClass::StandardInfrequentAccess => &INFREQUENT,
        }
    }
}

impl Dynamodb {
    /// Meters what tables and backups held since the last round, and what was provisioned for
    /// tables, by what they hold and have now.
    pub(crate) fn meter_storage(&self, since: Timestamp, now: Timestamp) {
        let held_ms = u64::try_from(now.since(since).as_millis()).unwrap_or(0);
        let snapshot = self.doors.ledger.snapshot();
        for table in snapshot.all::<TableRow>() {
            let mut quantities = provisioned(&table, held_ms);
            let local = || table.indexes.iter().filter(|index| !index.is_global);
            let own = || std::iter::once(0).chain(local().map(|index| index.number));
            let global = table.indexes.iter().filter(|index| index.is_global);
            let all = own().chain(global.map(|index| index.number));
            quantities.push((Kinds::of(&table).held, self.kib(&table, all) * held_ms));
            if table.recovery.is_some() {
                quantities.push(("kib-ms/recovery", self.kib(&table, own()) * held_ms));
            }
            self.record(&table.key, quantities, now);
        }
        for backup in snapshot.all::<BackupRow>() {
            if backup.status == BackupStatus::Available {
                let kib = u64::try_from(backup.size_bytes).unwrap_or(0).div_ceil(1024);
                self.record(&backup.table.key, vec![("kib-ms/backup", kib * held_ms)], now);
            }
        }
    }

    /// Meters what a table was restored with.
    pub(crate) fn meter_restore(&self, table: &TableRow, now: Timestamp) {
        let kib = self.kib(table, std::iter::once(0));
        self.record(&table.key, vec![("kib-restored", kib)], now);
    }

    fn kib(&self, table: &TableRow, numbers: impl Iterator<Item = u32>) -> u64 {
        let bytes: i64 = numbers.map(|number| self.engine.counts(table.id, number).1).sum();
        u64::try_from(bytes).unwrap_or(0).div_ceil(1024)
    }

    fn record(&self, table: &TableKey, mut used: Vec<(&'static str, u64)>, at: Timestamp) {
        used.retain(|(_, quantity)| *quantity > 0);
        if used.is_empty() {
            return;
        }
        let (account, region, name) = table.clone();
        self.doors.meter.record(UsageRecord {
            account,
            region,
            at,
            service: "dynamodb",
            resource: name,
            quantities: used,
        });
    }
}

/// Capacity that is paid for, used or not.
fn provisioned(table: &TableRow, held_ms: u64) -> Vec<(&'static str, u64)> {
    if table.billing.mode != BillingMode::Provisioned {
        return Vec::new();
    }
    let of_indexes = table.indexes.iter().filter(|index| index.is_global);
    let all = of_indexes.map(|index| index.throughput).chain([table.billing.throughput]);
    let (read, write) = all.fold((0, 0), |(read, write), units| {
        (read + units.read.unsigned_abs(), write + units.write.unsigned_abs())
    });
    let kinds = Kinds::of(table);
    vec![(kinds.read_provisioned, read * held_ms), (kinds.write_provisioned, write * held_ms)]
}
