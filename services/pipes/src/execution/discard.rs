//! Records that were given up, for the dead letters.
//!
//! AWS docs: *Amazon EventBridge Pipes error handling > Pipes DLQ behavior*.

use bytes::Bytes;
use haar_kernel::targets::Consignment;
use haar_poller::{Discarded, letters};
use haar_types::Timestamp;
use serde_json::{Value, json};

use crate::Pipes;
use crate::reader::sender;
use crate::rules::source::dead_letters;
use crate::state::PipeRow;

/// Sends a batch's record to the pipe's dead letters.
pub(super) async fn tell(room: &Pipes, row: &PipeRow, discarded: Discarded<'_>) {
    let Some(to) = dead_letters(&row.source_parameters) else { return };
    let document = document(&discarded, row, room.doors.clock.now());
    let body = Bytes::from(document.to_string());
    let letter = || {
        let (sender, region) = (sender(&room.doors, row)?, row.key.region.clone());
        Ok(Consignment::new(to, sender, region, body.clone()))
    };
    letters::tell(&room.doors, letter).await;
}

/// The record: where the discarded records are in their stream.
fn document(discarded: &Discarded<'_>, row: &PipeRow, now: Timestamp) -> Value {
    let mut document = json!({
        "context": {
            "partnerResourceArn": row.key.arn(),
            "condition": discarded.condition,
        },
        "version": "1.0",
        "timestamp": now.iso_millis(),
    });
    let (member, info) = discarded.batch_info(&row.source);
    document[member] = info;
    document
}
