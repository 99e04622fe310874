//! Merges old digests into coarser ones, and lets go of the oldest.

use std::collections::BTreeMap;

use haar_kv::{Batch, KvError};
use haar_types::Timestamp;

use super::key::{PointKey, points_of};
use super::{MetricRecord, MetricStore, decode};
use crate::rules::digest::Digest;
use crate::rules::period::{Resolution, period_start};

impl MetricStore {
    /// Moves what is older than its resolution's retention to the next coarser resolution, and
    /// removes what is older than all. Doing it again changes nothing.
    pub(crate) fn sweep(&self, now: Timestamp) -> Result<(), KvError> {
        self.flush()?;
        for entry in self.metrics.all() {
            let entry = entry?;
            let Some(record) = decode::<MetricRecord>(&entry.value) else { continue };
            for resolution in Resolution::ALL {
                self.sweep_resolution(record.id, resolution, now)?;
            }
            if now.since(record.last_at) > Resolution::Hour.retention() {
                self.metrics.remove(entry.key)?;
            }
        }
        Ok(())
    }

    fn sweep_resolution(
        &self,
        id: u64,
        resolution: Resolution,
        now: Timestamp,
    ) -> Result<(), KvError> {
        let _one = self.writing.lock();
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
