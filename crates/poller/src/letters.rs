//! Telling of records that were given up.
//!
//! AWS docs: *Retain discarded batch records for a Kinesis Data Streams event source in Lambda*, and
//! the same for DynamoDB and for pipes.

use std::time::Duration;

use haar_kernel::Doors;
use haar_kernel::targets::Consignment;
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde_json::{Value, json};

use crate::Discarded;

/// First and longest wait while the destination does not answer, and how often it is tried. A
/// poller that is told to stop leaves it.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_LONGEST: Duration = Duration::from_secs(60);
const TRIES_MAX: u32 = 20;

/// Sends what is told of discarded records, again while the destination does not answer; true
/// when it arrived there. Who sends is asked at each try.
pub async fn tell(doors: &Doors, letter: impl Fn() -> Result<Consignment, AwsError>) -> bool {
    for tried in 0..TRIES_MAX {
        let consignment = match letter() {
            Ok(consignment) => consignment,
            Err(error) => {
                tracing::warn!(%error, "nobody can tell of discarded records");
                return false;
            }
        };
        match doors.targets.deliver(&consignment).await {
            Ok(()) => return true,
            Err(error) if error.is_transient => {
                let wait = WAIT_LONGEST.min(WAIT_FIRST * (1 << tried.min(6)));
                doors.clock.sleep(doors.settings.wait(wait)).await;
            }
            Err(error) => {
                let to = consignment.arn;
                tracing::warn!(to, %error, "what was told of discarded records was refused");
                return false;
            }
        }
    }
    tracing::warn!("discarded records could not be told of");
    false
}

impl Discarded<'_> {
    /// Where the records are in their stream, under the member that tells of it.
    pub fn batch_info(&self, source_arn: &str) -> (&'static str, Value) {
        let member = match source_arn.contains(":dynamodb:") {
            true => "DDBStreamBatchInfo",
            false => "KinesisBatchInfo",
        };
        let (first, last) = (self.items.first(), self.items.last());
        let info = json!({
            "shardId": self.shard,
            "startSequenceNumber": first.map(|item| &item.id),
            "endSequenceNumber": last.map(|item| &item.id),
            "approximateArrivalOfFirstRecord": first.map(|item| instant(item.at)),
            "approximateArrivalOfLastRecord": last.map(|item| instant(item.at)),
            "batchSize": self.items.len(),
            "streamArn": source_arn,
        });
        (member, info)
    }
}

/// A time with milliseconds where it has any: those of tables' streams have none.
fn instant(at: Timestamp) -> String {
    if at.0 % 1000 == 0 { at.iso() } else { at.iso_millis() }
}
