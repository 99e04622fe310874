//! The meter: sums up metering records by day and resource, in memory and then in kv.

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
use crate::usage::Usage;

/// Sums that may wait in memory; what comes beyond is dropped, with a warning.
const PENDING_COUNT_MAX: usize = 100_000;
/// How often sums are written; readers do not wait for it. As long as log lines wait, so that
/// a crash takes no more of the bill than of the log.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// How often it is tried at most to write again what could not be written.
const RETRY_EVERY_MAX: Duration = Duration::from_secs(30);
/// Whose use is kept as [`Usage`]; all other services' is kept by metered kind.
const FUNCTIONS: &str = "lambda";

/// What resources of one service used, by region and name, then by metered kind.
pub type ResourceUsage = BTreeMap<FunctionName, BTreeMap<String, u128>>;

/// What was used, by month, account, service, region, resource and day.
pub struct UsageBook {
    kv: Kv,
    days: Keyspace,
    sums: Keyspace,
    pending: Mutex<Pending>,
    arrived: Notify,
    /// Held while sums are read, added to and written back.
    writing: Mutex<()>,
}

/// How long sums wait until they are written: the longer, the longer that has failed.
struct Pace {
    wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { wait: FLUSH_EVERY }
    }
}

impl Pace {
    /// Takes how a write went; whether the one before went otherwise.
    fn is_news(&mut self, went_well: bool) -> bool {
        let went_well_before = self.wait == FLUSH_EVERY;
        self.wait = match went_well {
            true => FLUSH_EVERY,
            false => (self.wait * 2).min(RETRY_EVERY_MAX),
        };
        went_well != went_well_before
    }
}

#[derive(Default)]
struct Pending {
    days: BTreeMap<DayKey, Usage>,
    /// By day, service and metered kind.
    sums: BTreeMap<(DayKey, &'static str, &'static str), u128>,
    dropped_count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DayKey {
    /// Days since 1970.
    day: i64,
    account: AccountId,
    region: Region,
    /// The function, or what else was used.
    resource: String,
}

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3600 * 1000;

impl UsageBook {
    /// Opens the sums in `kv`.
    ///
    /// # Errors
    /// When kv does not open its keyspace.
    pub fn open(kv: &Kv) -> Result<Self, KvError> {
        Ok(Self {
            kv: kv.clone(),
            days: kv.keyspace("cost.day")?,
            sums: kv.keyspace("cost.sum")?,
            pending: Mutex::default(),
            arrived: Notify::new(),
            writing: Mutex::default(),
        })
    }

    /// Writes sums as they come; never ends. The wiring runs it.
    pub async fn run(self: Arc<Self>, clock: Clock) {
        let mut pace = Pace::default();
        loop {
            self.arrived.notified().await;
            clock.sleep(pace.wait).await;
            let written = self.flush();
            if pace.is_news(written.is_ok()) {
                match written {
                    Ok(()) => tracing::info!("metering records are written again"),
                    Err(error) => {
                        tracing::error!(%error, "could not write metering records; they wait");
                    }
                }
            }
        }
    }

    /// Writes what waits in memory; also to be called before haar ends. What could not be written
    /// goes on waiting.
    ///
    /// # Errors
    /// When kv fails.
    pub fn flush(&self) -> Result<(), KvError> {
        let _one = self.writing.lock();
        let mut pending = std::mem::take(&mut *self.pending.lock());
        if pending.dropped_count > 0 {
            tracing::warn!(count = pending.dropped_count, "metering records were dropped");
            pending.dropped_count = 0;
        }
        let written = self.write(&pending);
        if written.is_err() {
            self.pending.lock().add(pending);
            self.arrived.notify_one();
        }
        written
    }

    fn write(&self, pending: &Pending) -> Result<(), KvError> {
        let mut batch = Batch::new();
        for (day, used) in &pending.days {
            let key = day.encode();
            let mut sum = self.days.get(&key)?.map_or_else(Usage::default, |sum| decode(&sum));
            sum.add(used);
            batch.put(&self.days, key, encode(&sum));
        }
        for ((day, service, kind), quantity) in &pending.sums {
            let key = day.encode_sum(service, kind);
            let sum = self.sums.get(&key)?.map_or(0, |sum| decode_sum(&sum));
            let sum = sum.saturating_add(*quantity);
            batch.put(&self.sums, key, Bytes::copy_from_slice(&sum.to_be_bytes()));
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
            let Some((account, name)) = DayKey::decode(&entry.key) else { continue };
            let functions = accounts.entry(account).or_default();
            functions.entry(name).or_default().add(&decode(&entry.value));
        }
        Ok(accounts)
    }

    /// What the resources of all other services used in a month, by account and service.
    ///
    /// # Errors
    /// When kv fails.
    pub fn services(
        &self,
        month: &str,
    ) -> Result<BTreeMap<AccountId, BTreeMap<String, ResourceUsage>>, KvError> {
        self.flush()?;
        let mut accounts: BTreeMap<AccountId, BTreeMap<String, ResourceUsage>> = BTreeMap::new();
        for entry in self.sums.prefix(format!("{month}\0")) {
            let entry = entry?;
            let Some(((account, name), service, kind)) = DayKey::decode_sum(&entry.key) else {
                continue;
            };
            let services = accounts.entry(account).or_default();
            let kinds = services.entry(service).or_default().entry(name).or_default();
            *kinds.entry(kind).or_default() += decode_sum(&entry.value);
        }
        Ok(accounts)
    }
}

impl Pending {
    fn has_room(&self) -> bool {
        self.days.len() + self.sums.len() < PENDING_COUNT_MAX
    }

    fn add(&mut self, other: Self) {
        for (day, used) in other.days {
            self.days.entry(day).or_default().add(&used);
        }
        for (key, quantity) in other.sums {
            *self.sums.entry(key).or_default() += quantity;
        }
    }

    fn record(&mut self, day: DayKey, service: &'static str, quantities: &[(&'static str, u64)]) {
        if service == FUNCTIONS {
            if self.has_room() || self.days.contains_key(&day) {
                self.days.entry(day).or_default().add(&Usage::of_quantities(quantities));
            } else {
                self.dropped_count += 1;
            }
            return;
        }
        let (mut key, has_room) = ((day, service, ""), self.has_room());
        for (kind, quantity) in quantities {
            key.2 = kind;
            match self.sums.get_mut(&key) {
                Some(sum) => *sum += u128::from(*quantity),
                None if has_room => {
                    self.sums.insert(key.clone(), u128::from(*quantity));
                }
                None => self.dropped_count += 1,
            }
        }
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
        let day = DayKey {
            day: usage.at.0.div_euclid(DAY_MS),
            account: usage.account,
            region: usage.region,
            resource: usage.resource,
        };
        self.pending.lock().record(day, usage.service, &usage.quantities);
        self.arrived.notify_one();
    }
}

/// Who used something, and what it is.
type Used = (AccountId, FunctionName);

impl DayKey {
    /// Month, account, region, resource, day of the month.
    fn encode(&self) -> Bytes {
        let Self { day, account, region, resource } = self;
        let at = Timestamp(day * DAY_MS);
        let (month, day) = (month_of(at), at.strftime("%d"));
        format!("{month}\0{account}\0{region}\0{resource}\0{day}").into()
    }

    fn encode_sum(&self, service: &str, kind: &str) -> Bytes {
        [&self.encode()[..], b"\0", service.as_bytes(), b"\0", kind.as_bytes()].concat().into()
    }

    fn decode(key: &[u8]) -> Option<Used> {
        Self::used(&mut std::str::from_utf8(key).ok()?.split('\0'))
    }

    fn decode_sum(key: &[u8]) -> Option<(Used, String, String)> {
        let mut texts = std::str::from_utf8(key).ok()?.split('\0');
        let used = Self::used(&mut texts)?;
        Some((used, texts.next()?.to_owned(), texts.next()?.to_owned()))
    }

    fn used<'a>(texts: &mut impl Iterator<Item = &'a str>) -> Option<Used> {
        let _month = texts.next()?;
        let account = texts.next()?.parse().ok()?;
        let region = texts.next()?.parse().ok()?;
        let name = texts.next()?.to_owned();
        let _day = texts.next()?;
        Some((account, FunctionName { region, name }))
    }
}

fn encode(usage: &Usage) -> Bytes {
    rmp_serde::to_vec(usage).expect("plain data encode").into()
}

/// Nothing for sums that another version of haar wrote in a form of its own.
fn decode(value: &[u8]) -> Usage {
    haar_pack::read(value)
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
    fn writes_that_fail_are_told_once_and_tried_less_and_less_often() {
        let mut pace = Pace::default();
        assert!(!pace.is_news(true) && pace.is_news(false));
        let mut waits = vec![pace.wait];
        while waits.last() != Some(&RETRY_EVERY_MAX) {
            assert!(!pace.is_news(false));
            waits.push(pace.wait);
        }
        assert!(waits.is_sorted() && waits.len() < 10, "{waits:?}");
        assert!(!pace.is_news(false) && pace.wait == RETRY_EVERY_MAX);
        assert!(pace.is_news(true) && pace.wait == FLUSH_EVERY);
        assert!(!pace.is_news(true) && pace.is_news(false));
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
