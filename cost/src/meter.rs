//! The meter: sums up metering records by day and function, in memory and then in kv.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::Clock;
use haar_kernel::{Meter, UsageRecord};
use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::{AccountId, Region, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::bill::FunctionName;
use crate::fargate::TaskUsage;
use crate::storage::{self, StorageUsage};
use crate::usage::Usage;

/// Sums that may wait in memory; what comes beyond is dropped, with a warning.
const PENDING_COUNT_MAX: usize = 100_000;
/// How often sums are written; readers do not wait for it.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// What was used, by month, account, region, function and day.
pub struct UsageBook {
    kv: Kv,
    days: Keyspace,
    storage: Keyspace,
    tasks: Keyspace,
    pending: Mutex<Pending>,
    arrived: Notify,
    /// Held while sums are read, added to and written back.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Pending {
    days: BTreeMap<DayKey, Usage>,
    /// KiB-milliseconds of repositories.
    storage: BTreeMap<DayKey, u128>,
    /// Tasks on Fargate, by metered kind.
    tasks: BTreeMap<(DayKey, &'static str), u128>,
    dropped_count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DayKey {
    /// `2026-11`.
    month: String,
    account: AccountId,
    region: Region,
    function: String,
    /// `23`.
    day: String,
}

impl UsageBook {
    /// Opens the sums in `kv`.
    ///
    /// # Errors
    /// When kv does not open its keyspace.
    pub fn open(kv: &Kv) -> Result<Self, KvError> {
        Ok(Self {
            kv: kv.clone(),
            days: kv.keyspace("cost.day")?,
            storage: kv.keyspace("cost.storage")?,
            tasks: kv.keyspace("cost.fargate")?,
            pending: Mutex::default(),
            arrived: Notify::new(),
            writing: Mutex::default(),
        })
    }

    /// Writes sums as they come; never ends. The wiring runs it.
    pub async fn run(self: Arc<Self>, clock: Clock) {
        loop {
            self.arrived.notified().await;
            clock.sleep(FLUSH_EVERY).await;
            if let Err(error) = self.flush() {
                tracing::error!(%error, "could not write metering records");
            }
        }
    }

    /// Writes what waits in memory; also to be called before haar ends.
    ///
    /// # Errors
    /// When kv fails.
    pub fn flush(&self) -> Result<(), KvError> {
        let _one = self.writing.lock();
        let pending = std::mem::take(&mut *self.pending.lock());
        if pending.dropped_count > 0 {
            tracing::warn!(count = pending.dropped_count, "metering records were dropped");
        }
        let mut batch = Batch::new();
        for (day, used) in pending.days {
            let key = day.encode();
            let mut sum = self.days.get(&key)?.map_or_else(Usage::default, |sum| decode(&sum));
            sum.add(&used);
            batch.put(&self.days, key, encode(&sum));
        }
        for (day, kib_ms) in pending.storage {
            let key = day.encode();
            let sum = self.storage.get(&key)?.map_or(0, |sum| decode_sum(&sum));
            let sum = sum.saturating_add(kib_ms);
            batch.put(&self.storage, key, Bytes::copy_from_slice(&sum.to_be_bytes()));
        }
        for ((day, kind), quantity) in pending.tasks {
            let key = Bytes::from([&day.encode()[..], b"\0", kind.as_bytes()].concat());
            let sum = self.tasks.get(&key)?.map_or(0, |sum| decode_sum(&sum));
            let sum = sum.saturating_add(quantity);
            batch.put(&self.tasks, key, Bytes::copy_from_slice(&sum.to_be_bytes()));
        }
        self.kv.apply(batch)
    }

    /// Drops what waits in memory, for a reset.
    pub fn forget_pending(&self) {
        *self.pending.lock() = Pending::default();
    }

    /// A month's use by account and function; `month` is `2026-11`.
    ///
    /// # Errors
    /// When kv fails.
    pub fn month(
        &self,
        month: &str,
    ) -> Result<BTreeMap<AccountId, BTreeMap<FunctionName, Usage>>, KvError> {
        self.flush()?;
        let mut accounts: BTreeMap<AccountId, BTreeMap<FunctionName, Usage>> = BTreeMap::new();
        for entry in self.days.prefix(format!("{month}\0")) {
            let entry = entry?;
            let Some(day) = DayKey::decode(&entry.key) else { continue };
            let functions = accounts.entry(day.account).or_default();
            let name = FunctionName { region: day.region, name: day.function };
            functions.entry(name).or_default().add(&decode(&entry.value));
        }
        Ok(accounts)
    }
}

impl UsageBook {
    /// What repositories stored in a month, by account.
    ///
    /// # Errors
    /// When kv fails.
    pub fn storage(&self, month: &str) -> Result<BTreeMap<AccountId, StorageUsage>, KvError> {
        self.flush()?;
        let mut accounts: BTreeMap<AccountId, StorageUsage> = BTreeMap::new();
        for entry in self.storage.prefix(format!("{month}\0")) {
            let entry = entry?;
            let Some(day) = DayKey::decode(&entry.key) else { continue };
            let name = FunctionName { region: day.region, name: day.function };
            let sum = accounts.entry(day.account).or_default().entry(name).or_default();
            *sum += decode_sum(&entry.value);
        }
        Ok(accounts)
    }
}

impl UsageBook {
    /// What tasks on Fargate used in a month, by account.
    ///
    /// # Errors
    /// When kv fails.
    pub fn tasks(&self, month: &str) -> Result<BTreeMap<AccountId, TaskUsage>, KvError> {
        self.flush()?;
        let mut accounts: BTreeMap<AccountId, TaskUsage> = BTreeMap::new();
        for entry in self.tasks.prefix(format!("{month}\0")) {
            let entry = entry?;
            let Some(day) = DayKey::decode(&entry.key) else { continue };
            let kind = entry.key.rsplit(|byte| *byte == 0).next().unwrap_or_default();
            let kind = String::from_utf8_lossy(kind).into_owned();
            let name = FunctionName { region: day.region, name: day.function };
            let kinds = accounts.entry(day.account).or_default().entry(name).or_default();
            *kinds.entry(kind).or_default() += decode_sum(&entry.value);
        }
        Ok(accounts)
    }

    fn record_tasks(&self, key: &DayKey, quantities: &[(&'static str, u64)]) {
        let mut pending = self.pending.lock();
        for (kind, quantity) in quantities {
            let key = (key.clone(), *kind);
            if pending.tasks.len() >= PENDING_COUNT_MAX && !pending.tasks.contains_key(&key) {
                pending.dropped_count += 1;
                continue;
            }
            *pending.tasks.entry(key).or_default() += u128::from(*quantity);
        }
        drop(pending);
        self.arrived.notify_one();
    }
}

fn decode_sum(value: &[u8]) -> u128 {
    value.try_into().map_or(0, u128::from_be_bytes)
}

/// The month of a time, as bills name it: `2026-11`.
pub fn month_of(at: Timestamp) -> String {
    at.strftime("%Y-%m")
}

impl Meter for UsageBook {
    fn record(&self, usage: UsageRecord) {
        let key = DayKey {
            month: month_of(usage.at),
            account: usage.account,
            region: usage.region,
            function: usage.resource,
            day: usage.at.strftime("%d"),
        };
        if usage.service == "ecr" {
            return self.record_storage(key, &usage.quantities);
        }
        if usage.service == "ecs" {
            return self.record_tasks(&key, &usage.quantities);
        }
        let used = Usage::of_quantities(&usage.quantities);
        let mut pending = self.pending.lock();
        if pending.days.len() >= PENDING_COUNT_MAX && !pending.days.contains_key(&key) {
            pending.dropped_count += 1;
            return;
        }
        pending.days.entry(key).or_default().add(&used);
        drop(pending);
        self.arrived.notify_one();
    }
}

impl UsageBook {
    fn record_storage(&self, key: DayKey, quantities: &[(&'static str, u64)]) {
        let of_kind = quantities.iter().filter(|(kind, _)| *kind == storage::KIND);
        let kib_ms: u128 = of_kind.map(|(_, quantity)| u128::from(*quantity)).sum();
        let mut pending = self.pending.lock();
        if pending.storage.len() >= PENDING_COUNT_MAX && !pending.storage.contains_key(&key) {
            pending.dropped_count += 1;
            return;
        }
        *pending.storage.entry(key).or_default() += kib_ms;
        drop(pending);
        self.arrived.notify_one();
    }
}

impl DayKey {
    fn encode(&self) -> Bytes {
        let Self { month, account, region, function, day } = self;
        format!("{month}\0{account}\0{region}\0{function}\0{day}").into()
    }

    fn decode(key: &[u8]) -> Option<Self> {
        let mut texts = std::str::from_utf8(key).ok()?.split('\0');
        Some(Self {
            month: texts.next()?.to_owned(),
            account: texts.next()?.parse().ok()?,
            region: texts.next()?.parse().ok()?,
            function: texts.next()?.to_owned(),
            day: texts.next()?.to_owned(),
        })
    }
}

fn encode(usage: &Usage) -> Bytes {
    rmp_serde::to_vec(usage).expect("plain data encode").into()
}

/// Nothing for sums that another version of haar wrote in a form of its own.
fn decode(value: &[u8]) -> Usage {
    rmp_serde::from_slice(value)
        .inspect_err(|error| tracing::error!(%error, "a metering record is not readable"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Architecture;

    fn record(book: &UsageBook, at: i64, quantities: &[(&'static str, u64)]) {
        book.record(UsageRecord {
            account: AccountId::default(),
            region: Region::default(),
            at: Timestamp(at),
            service: "lambda",
            resource: "hello".to_owned(),
            quantities: quantities.to_vec(),
        });
    }

    #[test]
    fn records_are_summed_up_by_month_and_survive_a_restart() {
        let kv = Kv::ephemeral();
        let book = UsageBook::open(&kv).unwrap();
        let november = 1_795_000_000_000;
        assert_eq!(month_of(Timestamp(november)), "2026-11");
        for day in 0..3 {
            record(&book, november + day * 86_400_000, &[("requests", 1), ("mb-ms/arm64", 128)]);
            book.flush().unwrap();
        }
        record(&book, november + 40 * 86_400_000, &[("requests", 1)]);
        book.flush().unwrap();
        let book = UsageBook::open(&kv).unwrap();
        let month = book.month("2026-11").unwrap();
        let used = month[&AccountId::default()].values().next().unwrap();
        assert_eq!(used.requests, 3);
        assert_eq!(used.compute[&Architecture::Arm64].duration_mib_ms, 384);
        assert!(book.month("2026-1").unwrap().is_empty());
    }
}
