//! Records that were given up, for the dead letters.
//!
//! AWS docs: *Amazon EventBridge Pipes error handling > Pipes DLQ behavior*.

use std::time::Duration;

use bytes::Bytes;
use haar_kernel::targets::Consignment;
use haar_poller::Discarded;
use haar_types::Timestamp;
use serde_json::{Value, json};

use crate::Pipes;
use crate::reader::sender;
use crate::rules::source::dead_letters;
use crate::state::PipeRow;

/// First and longest wait while the destination does not answer, and how often it is tried. The
/// poller leaves it when it is told to stop.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_LONGEST: Duration = Duration::from_secs(60);
const TRIES_MAX: u32 = 20;

/// Sends a batch's record to the pipe's dead letters.
pub(super) async fn tell(room: &Pipes, row: &PipeRow, discarded: Discarded<'_>) {
    let Some(letters) = dead_letters(&row.source_parameters) else { return };
    let document = document(&discarded, row, room.doors.clock.now());
    let body = Bytes::from(document.to_string());
    for tried in 0..TRIES_MAX {
        let sender = match sender(&room.doors, row) {
            Ok(sender) => sender,
            Err(error) => return tracing::warn!(%error, "nobody can send a pipe's dead letter"),
        };
        let region = row.key.region.clone();
        let consignment = Consignment::new(letters, sender, region, body.clone());
        match room.doors.targets.deliver(&consignment).await {
            Ok(()) => return,
            Err(error) if error.is_transient => {
                let wait = WAIT_LONGEST.min(WAIT_FIRST * (1 << tried.min(6)));
                room.doors.clock.sleep(room.doors.settings.wait(wait)).await;
            }
            Err(error) => {
                return tracing::warn!(letters, %error, "a pipe's dead letter was refused");
            }
        }
    }
    tracing::warn!(letters, "a pipe's dead letter could not be delivered");
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
    let kind =
        if row.source.contains(":dynamodb:") { "DDBStreamBatchInfo" } else { "KinesisBatchInfo" };
    let (first, last) = (discarded.items.first(), discarded.items.last());
    document[kind] = json!({
        "shardId": discarded.shard,
        "startSequenceNumber": first.map(|item| &item.id),
        "endSequenceNumber": last.map(|item| &item.id),
        "approximateArrivalOfFirstRecord": first.map(|item| item.at.iso_millis()),
        "approximateArrivalOfLastRecord": last.map(|item| item.at.iso_millis()),
        "batchSize": discarded.items.len(),
        "streamArn": row.source,
    });
    document
}
