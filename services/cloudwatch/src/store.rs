//! Metric values on disk: which metrics there are, and a digest of each metric's periods.
//!
//! Values are summed up in memory by period and written when someone reads or the flusher
//! comes by, so that a hot path pays for an addition only. A value is in one resolution's
//! digests at a time: [`MetricStore::sweep`] moves what is old into coarser ones.

mod key;
mod sweep;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::IdSource;
use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::{AccountId, Region, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub(crate) use key::MetricKey;
use key::{PointKey, points_of};

use crate::rules::digest::Digest;
use crate::rules::period::{Resolution, period_start};
use crate::rules::unit::Unit;

/// Digests that may wait in memory; what comes beyond is dropped, with a warning.
const PENDING_COUNT_MAX: usize = 200_000;

/// Digests that are written where a thread must not wait: each takes a look into the records.
const HERE_COUNT_MAX: usize = 64;

/// All metrics of this haar.
pub(crate) struct MetricStore {
    kv: Kv,
    ids: IdSource,
    metrics: Keyspace,
    points: Keyspace,
    pending: Mutex<Pending>,
    arrived: Notify,
    /// Held while digests are read, merged and written back.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Pending {
    metrics: BTreeMap<Bytes, BTreeMap<PointKey, Digest>>,
    count: usize,
    dropped_count: u64,
}

impl Pending {
    /// Adds what was taken out and could not be written.
    fn put_back(&mut self, taken: Self) {
        for (metric, points) in taken.metrics {
            let here = self.metrics.entry(metric).or_default();
            let before = here.len();
            for (key, digest) in points {
                here.entry(key).or_default().merge(&digest);
            }
            self.count += here.len() - before;
        }
    }
}

/// What is kept of a metric beside its points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MetricRecord {
    /// Names the metric in the keys of its points.
    id: u64,
    /// The start of the latest minute that has a point.
    last_at: Timestamp,
    /// No point is due before. Records of old do not say it: look at once.
    #[serde(default)]
    due_at: Timestamp,
}

impl MetricRecord {
    /// Whether a sweep has something to do with the metric.
    fn is_due(&self, now: Timestamp) -> bool {
        now >= self.due_at || self.is_over(now)
    }

    /// Whether the last of its points is as old as points get: whole hours go at once.
    fn is_over(&self, now: Timestamp) -> bool {
        let hour = Resolution::Hour;
        now >= period_start(self.last_at, hour.period()) + hour.period() + hour.retention()
    }
}

/// A metric with when it was last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: MetricKey,
    pub(crate) last_at: Timestamp,
}

/// One value on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) at: Timestamp,
    pub(crate) resolution: Resolution,
    pub(crate) unit: Unit,
    pub(crate) digest: Digest,
}

/// Which points of a metric are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The first period's start.
    pub(crate) start: Timestamp,
    /// Points at this time or later are not wanted.
    pub(crate) end: Timestamp,
    /// Length of a period.
    pub(crate) period: Duration,
    /// Only points of this unit.
    pub(crate) unit: Option<Unit>,
}

impl MetricStore {
    /// Opens the metrics in `kv`.
    pub(crate) fn open(kv: &Kv, ids: &IdSource) -> Result<Self, KvError> {
        Ok(Self {
            kv: kv.clone(),
            ids: ids.clone(),
            metrics: kv.keyspace("cloudwatch.metric")?,
            points: kv.keyspace("cloudwatch.point")?,
            pending: Mutex::default(),
            arrived: Notify::new(),
            writing: Mutex::default(),
        })
    }

    /// Adds a value in memory.
    pub(crate) fn record(&self, metric: &MetricKey, point: &Point) {
        self.add(metric.encode(), point);
    }

    /// The same for a metric's key as it is written.
    pub(crate) fn add(&self, metric: Bytes, point: &Point) {
        let at = period_start(point.at, point.resolution.period());
        let key = PointKey { resolution: point.resolution, at, unit: point.unit };
        let mut pending = self.pending.lock();
        if pending.count >= PENDING_COUNT_MAX {
            pending.dropped_count += 1;
            return;
        }
        let points = pending.metrics.entry(metric).or_default();
        let before = points.len();
        points.entry(key).or_default().merge(&point.digest);
        let added = points.len() - before;
        pending.count += added;
        drop(pending);
        self.arrived.notify_one();
    }

    /// Waits until a value waits in memory.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Writes what waits in memory, buffered. What could not be written goes on waiting.
    pub(crate) fn flush(&self) -> Result<(), KvError> {
        let _one = self.writing.lock();
        let pending = std::mem::take(&mut *self.pending.lock());
        if pending.dropped_count > 0 {
            tracing::warn!(count = pending.dropped_count, "metric values came too fast; dropped");
        }
        let written = self.write(&pending);
        if written.is_err() {
            self.pending.lock().put_back(pending);
            self.arrived.notify_one();
        }
        written
    }

    /// The same for async workers, which have others to serve: aside where much waits, or somebody
    /// is at it.
    pub(crate) async fn write_out(self: &Arc<Self>) -> Result<(), KvError> {
        if self.pending.lock().count <= HERE_COUNT_MAX && !self.writing.is_locked() {
            return self.flush();
        }
        let store = Arc::clone(self);
        self.aside(move || store.flush()).await
    }

    fn write(&self, pending: &Pending) -> Result<(), KvError> {
        let mut batch = Batch::new();
        for (metric, points) in &pending.metrics {
            let id = self.note_metric(&mut batch, metric, points)?;
            for (point, digest) in points {
                self.merge_point(&mut batch, point.encode(id), digest)?;
            }
        }
        self.kv.apply(batch)
    }

    /// Runs work on many records aside.
    ///
    /// # Errors
    /// What the work says, or that it panicked.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, KvError> + Send + 'static,
    ) -> Result<T, KvError> {
        self.kv.aside(work).await
    }

    /// Waits until all that was recorded is on disk.
    pub(crate) async fn sync(self: &Arc<Self>) -> Result<(), KvError> {
        self.write_out().await?;
        self.kv.sync().await
    }

    /// A metric's digests by the start of their period and their unit, in a span of time.
    pub(crate) fn read(
        &self,
        metric: &MetricKey,
        span: Span,
    ) -> Result<BTreeMap<(Timestamp, Unit), Digest>, KvError> {
        let mut periods: BTreeMap<(Timestamp, Unit), Digest> = BTreeMap::new();
        let Some(record) = self.record_of(&metric.encode())? else { return Ok(periods) };
        for resolution in Resolution::ALL {
            let divides = span.period.as_secs().is_multiple_of(resolution.period().as_secs());
            if !divides {
                continue;
            }
            for entry in self.points.range(points_of(record.id, resolution, span.start, span.end)) {
                let entry = entry?;
                let Some(point) = PointKey::decode(&entry.key) else { continue };
                if span.unit.is_some_and(|unit| unit != point.unit) {
                    continue;
                }
                let since = period_start(Timestamp(point.at.0 - span.start.0), span.period);
                let start = Timestamp(span.start.0 + since.0);
                if let Some(digest) = decode::<Digest>(&entry.value) {
                    periods.entry((start, point.unit)).or_default().merge(&digest);
                }
            }
        }
        Ok(periods)
    }

    /// The metrics of an account in a region, by namespace, name and dimensions, behind `after`.
    pub(crate) fn list(
        &self,
        place: (&AccountId, &Region),
        namespace: Option<&str>,
        after: Option<&MetricKey>,
    ) -> impl Iterator<Item = Result<Listed, KvError>> + use<> {
        let prefix = MetricKey::prefix(place, namespace);
        let after = after.map(MetricKey::encode);
        let range = match &after {
            Some(after) => self.metrics.range::<&[u8]>((
                std::ops::Bound::Excluded(&after[..]),
                std::ops::Bound::Unbounded,
            )),
            None => self.metrics.prefix(&prefix),
        };
        range
            .take_while(move |entry| {
                entry.as_ref().map_or(true, |entry| entry.key.starts_with(&prefix))
            })
            .filter_map(|entry| match entry {
                Ok(entry) => {
                    let key = MetricKey::decode(&entry.key)?;
                    let record = decode::<MetricRecord>(&entry.value)?;
                    Some(Ok(Listed { key, last_at: record.last_at }))
                }
                Err(error) => Some(Err(error)),
            })
    }

    /// Drops what waits in memory.
    pub(crate) fn forget_pending(&self) {
        *self.pending.lock() = Pending::default();
    }

    fn record_of(&self, metric: &Bytes) -> Result<Option<MetricRecord>, KvError> {
        Ok(self.metrics.get(metric)?.and_then(|value| decode(&value)))
    }

    /// Makes sure that the metric is listed, and says by which id.
    fn note_metric(
        &self,
        batch: &mut Batch,
        metric: &Bytes,
        points: &BTreeMap<PointKey, Digest>,
    ) -> Result<u64, KvError> {
        let newest = points.keys().map(|point| point.at).max().unwrap_or_default();
        let newest = period_start(newest, Resolution::Minute.period());
        let due_at = points.keys().map(|point| point.due_at()).min().unwrap_or_default();
        let known = self.record_of(metric)?;
        let record = match known {
            Some(known) if known.last_at >= newest && known.due_at <= due_at => {
                return Ok(known.id);
            }
            Some(MetricRecord { id, last_at, due_at: known }) => {
                MetricRecord { id, last_at: last_at.max(newest), due_at: known.min(due_at) }
            }
            None => MetricRecord { id: self.ids.draw(), last_at: newest, due_at },
        };
        batch.put(&self.metrics, metric.clone(), encode(&record));
        Ok(record.id)
    }

    fn merge_point(&self, batch: &mut Batch, key: Bytes, digest: &Digest) -> Result<(), KvError> {
        let known = self.points.get(&key)?.and_then(|value| decode::<Digest>(&value));
        let merged = match known {
            Some(mut known) => {
                known.merge(digest);
                encode(&known)
            }
            None => encode(digest),
        };
        batch.put(&self.points, key, merged);
        Ok(())
    }
}

fn encode(record: &impl Serialize) -> Bytes {
    rmp_serde::to_vec(record).expect("plain data encode").into()
}

/// None for a record that another version of haar wrote in a form of its own.
fn decode<T: for<'de> Deserialize<'de>>(value: &[u8]) -> Option<T> {
    haar_pack::read(value)
        .inspect_err(|error| tracing::error!(%error, "a metric record is not readable"))
        .ok()
}
