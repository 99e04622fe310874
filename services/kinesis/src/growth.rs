//! Streams in on-demand mode grow with what comes.
//!
//! AWS docs: *Choose the right mode to stream in > On-demand mode*: a stream takes up to double of
//! its earlier peak and grows from there; more than that within 15 minutes may be throttled. The
//! peak is that of the last 30 days, so a stream stays as large as it has become: nothing shrinks
//! it within hours, on AWS neither. *Ours*: nor does it after 30 days.

use std::time::Duration;

use haar_kinesis_contract::{StreamMode, StreamStatus};
use haar_types::Timestamp;

use crate::Kinesis;
use crate::state::{Change, StreamRow, open_shards};

/// Between two doublings. *Ours*: AWS names no moment at which it scales, only the 15 minutes in
/// which a client should not ask for more than double.
const GROWS_EVERY: Duration = Duration::from_secs(60);
/// Shards of a stream that grows by itself: 200 MB a second. AWS docs: the same page.
const SHARDS_MAX: usize = 200;

impl Kinesis {
    /// A shard had no room for a record: a stream in on-demand mode gets twice its shards.
    pub(crate) fn grow(&self, stream: &StreamRow, now: Timestamp) {
        if !may_grow(stream, now) {
            return;
        }
        // Not waited for: after a crash the next record that finds no room asks again.
        drop(self.doors.ledger.write(|tx| {
            let row = tx.get::<StreamRow>(&stream.key).filter(|row| row.id == stream.id);
            let Some(row) = row.filter(|row| may_grow(row, now)) else { return };
            let count = open_shards(tx, &row).count();
            let wanted = (count * 2).min(SHARDS_MAX);
            if wanted <= count {
                return;
            }
            tx.put(StreamRow {
                status: StreamStatus::Updating,
                change: u32::try_from(wanted).ok().map(Change::Scale),
                grown_at: Some(now),
                ..StreamRow::clone(&row)
            });
        }));
    }
}

fn may_grow(row: &StreamRow, now: Timestamp) -> bool {
    row.mode == StreamMode::OnDemand
        && row.status == StreamStatus::Active
        && row.grown_at.is_none_or(|at| now.since(at) >= GROWS_EVERY)
}
