//! How records go out.

use std::sync::Arc;

use haar_kernel::Call;
use haar_kinesis_contract::{ChildShard, StreamStatus};
use haar_ledger::Snapshot;
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::Kinesis;
use crate::put::unreachable_records;
use crate::records::Stored;
use crate::refusal::{no_shard, no_stream};
use crate::render::{children, shard_id};
use crate::rules::iterator::Iterator as Place;
use crate::rules::sequence::Sequence;
use crate::state::{ShardKey, ShardRow, StreamRow};
use crate::tips::Tip;

/// Bytes of an answer at most; a single record may be more. AWS docs: *GetRecords*.
const BYTES_MAX: usize = 10 << 20;

/// A shard that is being read.
pub(crate) struct Opened {
    pub(crate) snapshot: Snapshot,
    pub(crate) stream: Arc<StreamRow>,
    pub(crate) shard: Arc<ShardRow>,
    pub(crate) tip: Arc<Tip>,
}

/// Some of a shard's records.
pub(crate) struct Portion {
    pub(crate) records: Vec<Stored>,
    pub(crate) bytes: usize,
    /// Where the next portion begins; `None` behind the end of a closed shard.
    pub(crate) next: Option<Sequence>,
    pub(crate) behind_ms: i64,
    /// Where the shard ends: what it became.
    pub(crate) children: Option<Vec<ChildShard>>,
}

impl Kinesis {
    /// Finds the stream and the shard of a place that was given out earlier.
    pub(crate) fn open_place(&self, place: &Place) -> Result<Opened, AwsError> {
        let snapshot = self.doors.ledger.snapshot();
        let stream = snapshot.get::<StreamRow>(&place.stream);
        let stream =
            stream.filter(|row| row.id == place.id && row.status != StreamStatus::Deleting);
        let stream = stream.ok_or_else(|| no_stream(&place.stream))?;
        let key = ShardKey { stream: stream.id, number: place.shard };
        let shard = snapshot.get::<ShardRow>(&key);
        let shard = shard.ok_or_else(|| no_shard(&stream.key, &shard_id(place.shard)))?;
        let tip = self.tip(&shard)?;
        Ok(Opened { snapshot, stream, shard, tip })
    }

    /// A shard's end.
    pub(crate) fn tip(&self, shard: &ShardRow) -> Result<Arc<Tip>, AwsError> {
        let tip = self.tips.tip(&self.records, shard, self.doors.clock.moment());
        tip.map_err(unreachable_records)
    }

    /// Reads records from a number on, `limit` at most.
    pub(crate) fn portion(
        &self,
        opened: &Opened,
        from: Sequence,
        (limit, bytes_max): (usize, usize),
        now: Timestamp,
    ) -> Result<Portion, AwsError> {
        let (stream, shard) = (&opened.stream, &opened.shard);
        let horizon = Sequence::at(now - stream.retention(), shard.key.number);
        let from = from.max(horizon);
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut unread = None;
        for stored in self.records.from(shard.key, from) {
            let stored = stored.map_err(unreachable_records)?;
            let is_full = records.len() >= limit
                || (!records.is_empty() && bytes + stored.len() > bytes_max.min(BYTES_MAX));
            if is_full {
                unread = Some(stored.arrived_at);
                break;
            }
            bytes += stored.len();
            records.push(stored);
        }
        let behind = |at: Timestamp| i64::try_from(now.since(at).as_millis()).unwrap_or(i64::MAX);
        let behind_ms = unread.map_or(0, |at| behind(at).max(1));
        let last = records.last().map(|record: &Stored| record.sequence);
        let next = last.map_or(from, |last| Sequence::new(last.tick() + 1, last.shard()));
        // A closed shard takes no more: what it has was seen.
        let is_over = unread.is_none() && shard.end.is_some();
        let children = is_over.then(|| children(&opened.snapshot, stream, shard.key));
        let next = (!is_over).then_some(next);
        Ok(Portion { records, bytes, next, behind_ms, children })
    }

    /// An iterator for a place in a shard.
    pub(crate) fn mint(&self, call: &Call, opened: &Opened, from: Sequence) -> String {
        let place = Place {
            stream: opened.stream.key.clone(),
            id: opened.stream.id,
            shard: opened.shard.key.number,
            from,
            minted_at: call.now,
        };
        place.token()
    }
}
