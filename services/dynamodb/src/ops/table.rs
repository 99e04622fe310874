//! Tables.

pub(super) mod create;
mod read;
mod remove;
mod update;

use haar_dynamodb_contract::TableStatus;
use haar_ledger::Tx;
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::refusal::in_use;
use crate::state::{StreamKey, StreamRow, TableRow};

/// Refuses to change a table that is on its way to another state.
fn check_status(row: &TableRow) -> Result<(), AwsError> {
    let what = match row.status {
        TableStatus::Creating => "created",
        TableStatus::Updating => "updated",
        TableStatus::Deleting => "deleted",
        _ => return Ok(()),
    };
    Err(in_use(format!(
        "Attempt to change a resource which is still in use: Table is being {what}: {}",
        row.name()
    )))
}

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
