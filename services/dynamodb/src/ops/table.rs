//! Tables.

pub(super) mod create;
mod read;
mod remove;
mod update;

use haar_ledger::Tx;
use haar_types::Timestamp;

use crate::state::{StreamKey, StreamRow, TableRow};

/// Ends a table's stream, which can be read for another day.
pub(super) fn end_stream(tx: &mut Tx, row: &mut TableRow, now: Timestamp) {
    let (account, region, name) = row.key.clone();
    let Some(stream) = row.stream.as_mut().filter(|stream| stream.is_enabled) else { return };
    stream.is_enabled = false;
    let key: StreamKey = (account, region, name, stream.label.clone());
    if let Some(found) = tx.get::<StreamRow>(&key) {
        tx.put(StreamRow { disabled_at: Some(now), ..StreamRow::clone(&found) });
    }
}
