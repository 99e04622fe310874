//! How long a consumer keeps what it received.

use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Answer, Call, Flow};
use haar_sqs_contract::{
    ChangeMessageVisibility, ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchRequest,
    ChangeMessageVisibilityBatchResult, ChangeMessageVisibilityBatchResultEntry,
    ChangeMessageVisibilityOutput, ChangeMessageVisibilityRequest,
};
use haar_wire::AwsError;

use super::delete::receipt_of;
use crate::Sqs;
use crate::engine::{Queue, Touched};
use crate::lookup::find;
use crate::refusal::{broken, invalid_value, missing};
use crate::rules::batch;

const SECONDS_MAX: i32 = 43_200;

/// AWS docs: *Amazon SQS API Reference > ChangeMessageVisibility*.
impl Flow<ChangeMessageVisibility> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ChangeMessageVisibilityRequest,
    ) -> Answer<ChangeMessageVisibility> {
        let row = find(&self.doors.ledger.snapshot(), &call, &input.queue_url)?;
        let (handle, seconds) = (&input.receipt_handle, Some(input.visibility_timeout));
        let queue = self.at_work(&row).await.map_err(broken)?;
        self.change_visibility(&call, &queue, handle, seconds)?;
        self.metrics.bill(&row, call.now, 0);
        Ok(ChangeMessageVisibilityOutput {})
    }
}

/// AWS docs: *Amazon SQS API Reference > ChangeMessageVisibilityBatch*.
impl Flow<ChangeMessageVisibilityBatch> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ChangeMessageVisibilityBatchRequest,
    ) -> Answer<ChangeMessageVisibilityBatch> {
        let row = find(&self.doors.ledger.snapshot(), &call, &input.queue_url)?;
        let ids = input.entries.iter().map(|entry| entry.id.as_str());
        batch::check(ids, "ChangeMessageVisibilityBatchRequestEntry")?;
        let queue = self.at_work(&row).await.map_err(broken)?;
        let mut answer = ChangeMessageVisibilityBatchResult::default();
        for entry in input.entries {
            let (handle, seconds) = (&entry.receipt_handle, entry.visibility_timeout);
            match self.change_visibility(&call, &queue, handle, seconds) {
                Ok(()) => {
                    let done = ChangeMessageVisibilityBatchResultEntry { id: entry.id };
                    answer.successful.push(done);
                }
                Err(error) => answer.failed.push(batch::failed(entry.id, &error)),
            }
        }
        self.metrics.bill(&row, call.now, 0);
        Ok(answer)
    }
}

impl Sqs {
    fn change_visibility(
        &self,
        call: &Call,
        queue: &Queue,
        handle: &str,
        seconds: Option<i32>,
    ) -> Result<(), AwsError> {
        let seconds = seconds.ok_or_else(|| missing("VisibilityTimeout"))?;
        if !(0..=SECONDS_MAX).contains(&seconds) {
            let reason = "VisibilityTimeout must be an integer between 0 and 43200.";
            return Err(invalid_value(seconds.to_string(), "VisibilityTimeout", reason));
        }
        let receipt = receipt_of(queue, handle)?;
        let due_at = call.now + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let delivery = (receipt.sequence, receipt.delivery);
        match self.engine.change(queue, delivery, due_at).map_err(broken)? {
            Touched::Done => Ok(()),
            Touched::TooLong => {
                let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 \
                              seconds].";
                Err(invalid_value(seconds.to_string(), "VisibilityTimeout", reason))
            }
            Touched::Outdated if queue.is_fifo => {
                Err(invalid_value(handle, "ReceiptHandle", "The receipt handle has expired."))
            }
            Touched::Outdated | Touched::NotInFlight | Touched::Gone => Err(invalid_value(
                handle,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            )),
        }
    }
}
