//! Merges old digests into coarser ones, and lets go of the oldest.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use haar_kv::{Batch, KvError};
use haar_types::Timestamp;

use super::key::{PointKey, points_of};
use super::{MetricRecord, MetricStore, decode, encode};
use crate::rules::digest::Digest;
use crate::rules::period::{Resolution, period_start};

/// Metrics that one piece of work looks at.
const CHUNK: usize = 1000;

impl MetricStore {
    /// Moves what is older than its resolution's retention to the next coarser resolution, and
    /// removes what is older than all; answers how many metrics had something due. Doing it again
    /// changes nothing. Others write between two metrics.
    pub(crate) async fn sweep(self: &Arc<Self>, now: Timestamp) -> Result<usize, KvError> {
        self.write_out().await?;
        let (mut after, mut swept) = (None, 0);
        loop {
            let store = Arc::clone(self);
            let (last, count) = self.aside(move || store.sweep_some(after, now)).await?;
            swept += count;
            if last.is_none() {
                return Ok(swept);
            }
            after = last;
        }
    }

    /// Sweeps the metrics next to `after`. Answers the last of them when there may be more, and
    /// how many had something due.
    fn sweep_some(
        &self,
        after: Option<Bytes>,
        now: Timestamp,
    ) -> Result<(Option<Bytes>, usize), KvError> {
        let low = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.metrics.range::<Bytes>((low, Bound::Unbounded)).take(CHUNK);
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let mut count = 0;
        for entry in &entries {
            let record = decode::<MetricRecord>(&entry.value);
            if record.is_some_and(|record| record.is_due(now)) {
                self.sweep_metric(&entry.key, now)?;
                count += 1;
            }
        }
        Ok((entries.get(CHUNK - 1).map(|entry| entry.key.clone()), count))
    }

    fn sweep_metric(&self, metric: &Bytes, now: Timestamp) -> Result<(), KvError> {
        let _one = self.writing.lock();
        // Another may have written it since it was found.
        let Some(record) = self.record_of(metric)? else { return Ok(()) };
        for resolution in Resolution::ALL {
            self.sweep_resolution(record.id, resolution, now)?;
        }
        let mut batch = Batch::new();
        match record.is_over(now) {
            true => batch.remove(&self.metrics, metric),
            false => {
                let due_at = self.next_due(record.id, now)?;
                batch.put(&self.metrics, metric, encode(&MetricRecord { due_at, ..record }));
                batch.free_room();
            }
        }
        self.kv.apply(batch)
    }

    /// When the first of a metric's points is due.
    fn next_due(&self, id: u64, now: Timestamp) -> Result<Timestamp, KvError> {
        let mut due_at = now + Resolution::Hour.retention();
        for resolution in Resolution::ALL {
            let all = points_of(id, resolution, Timestamp(0), Timestamp(i64::MAX));
            let first = self.points.range(all).next().transpose()?;
            if let Some(point) = first.and_then(|entry| PointKey::decode(&entry.key)) {
                due_at = due_at.min(point.due_at());
            }
        }
        Ok(due_at)
    }

    fn sweep_resolution(
        &self,
        id: u64,
        resolution: Resolution,
        now: Timestamp,
    ) -> Result<(), KvError> {
        let coarser = resolution.coarser();
        // Only whole periods of the coarser resolution are moved.
        let whole = coarser.unwrap_or(resolution).period();
        let end = period_start(now - resolution.retention(), whole);
        let mut batch = Batch::new();
        let mut merged: BTreeMap<PointKey, Digest> = BTreeMap::new();
        for entry in self.points.range(points_of(id, resolution, Timestamp(0), end)) {
            let entry = entry?;
            let point = PointKey::decode(&entry.key);
            if let (Some(coarser), Some(point)) = (coarser, point)
                && let Some(digest) = decode::<Digest>(&entry.value)
            {
                let at = period_start(point.at, coarser.period());
                let key = PointKey { resolution: coarser, at, unit: point.unit };
                merged.entry(key).or_default().merge(&digest);
            }
            batch.remove(&self.points, entry.key);
        }
        for (point, digest) in merged {
            self.merge_point(&mut batch, point.encode(id), &digest)?;
        }
        self.kv.apply(batch)
    }
}
