//! Deleting messages that were received.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_sqs_contract::{
    DeleteMessage, DeleteMessageBatch, DeleteMessageBatchRequest, DeleteMessageBatchResult,
    DeleteMessageBatchResultEntry, DeleteMessageOutput, DeleteMessageRequest,
};
use haar_wire::AwsError;

use crate::Sqs;
use crate::engine::{Queue, Touched};
use crate::lookup::find;
use crate::refusal::{bad_handle, broken, invalid_value, missing};
use crate::rules::batch;
use crate::rules::receipt::Receipt;
use crate::state::QueueRow;

/// AWS docs: *Amazon SQS API Reference > DeleteMessage*.
impl Flow<DeleteMessage> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: DeleteMessageRequest,
    ) -> Answer<DeleteMessage> {
        let row = find(&self.doors.ledger.snapshot(), &call, &input.queue_url)?;
        let queue = self.at_work(&row).await.map_err(broken)?;
        self.delete(&queue, &input.receipt_handle)?;
        self.engine.sync().await.map_err(broken)?;
        self.note_deleted(&call, &row, 1);
        Ok(DeleteMessageOutput {})
    }
}

/// AWS docs: *Amazon SQS API Reference > DeleteMessageBatch*.
impl Flow<DeleteMessageBatch> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: DeleteMessageBatchRequest,
    ) -> Answer<DeleteMessageBatch> {
        let row = find(&self.doors.ledger.snapshot(), &call, &input.queue_url)?;
        let ids = input.entries.iter().map(|entry| entry.id.as_str());
        batch::check(ids, "DeleteMessageBatchRequestEntry")?;
        let queue = self.at_work(&row).await.map_err(broken)?;
        let mut answer = DeleteMessageBatchResult::default();
        for entry in input.entries {
            match self.delete(&queue, &entry.receipt_handle) {
                Ok(()) => {
                    answer.successful.push(DeleteMessageBatchResultEntry { id: entry.id });
                }
                Err(error) => answer.failed.push(batch::failed(entry.id, &error)),
            }
        }
        self.engine.sync().await.map_err(broken)?;
        self.note_deleted(&call, &row, answer.successful.len());
        Ok(answer)
    }
}

impl Sqs {
    /// Deletes one message. A message that is gone, or that a standard queue has handed out
    /// again since, is no error.
    fn delete(&self, queue: &Queue, handle: &str) -> Result<(), AwsError> {
        let receipt = receipt_of(queue, handle)?;
        let touched = self.engine.delete(queue, receipt.sequence, receipt.delivery);
        match touched.map_err(broken)? {
            Touched::Outdated | Touched::NotInFlight if queue.is_fifo => {
                let reason = "The receipt handle has expired.";
                Err(invalid_value(handle, "ReceiptHandle", reason))
            }
            _ => Ok(()),
        }
    }

    fn note_deleted(&self, call: &Call, row: &QueueRow, count: usize) {
        self.metrics.bill(row, call.now, 0);
        if count > 0 {
            let value = ("NumberOfMessagesDeleted", "Count", count as f64);
            self.metrics.add(row, call.now, &[value]);
        }
    }
}

/// The delivery that a handle names, of this queue.
pub(super) fn receipt_of(queue: &Queue, handle: &str) -> Result<Receipt, AwsError> {
    if handle.is_empty() {
        return Err(missing("ReceiptHandle"));
    }
    let receipt = Receipt::read(handle).filter(|receipt| receipt.queue == queue.id);
    receipt.ok_or_else(|| bad_handle(handle))
}
