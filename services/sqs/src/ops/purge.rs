//! Emptying a queue.

use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Answer, Call, Flow, unwritten};
use haar_sqs_contract::{PurgeQueue, PurgeQueueOutput, PurgeQueueRequest};
use haar_wire::AwsError;

use crate::Sqs;
use crate::lookup::find;
use crate::refusal::{broken, no_queue, purge_in_progress};
use crate::state::QueueRow;

/// How long AWS takes, during which there is no second one.
const PURGE_WAIT: Duration = Duration::from_secs(60);

/// AWS docs: *Amazon SQS API Reference > PurgeQueue*.
impl Flow<PurgeQueue> for Sqs {
    async fn flow(self: Arc<Self>, call: Call, input: PurgeQueueRequest) -> Answer<PurgeQueue> {
        let wait = self.doors.settings.wait(PURGE_WAIT);
        let row = find(&self.doors.ledger.snapshot(), &call, &input.queue_url)?;
        let queue = self.at_work(&row).await.map_err(broken)?;
        let committed = self.doors.ledger.transact(|tx| {
            let row = find(tx, &call, &input.queue_url)?;
            if row.purged_at.is_some_and(|at| at + wait > call.now) {
                return Err(purge_in_progress(&row.key.name));
            }
            if row.id != queue.id {
                return Err(no_queue());
            }
            tx.put(QueueRow { purged_at: Some(call.now), ..(*row).clone() });
            Ok::<_, AwsError>(row)
        })?;
        // before anything is waited for: a caller who hangs up has it done all the same
        self.engine.purge(&queue).map_err(broken)?;
        let row = committed.durable().await.map_err(unwritten)?;
        self.engine.sync().await.map_err(broken)?;
        self.metrics.bill(&row, call.now, 0);
        Ok(PurgeQueueOutput {})
    }
}
