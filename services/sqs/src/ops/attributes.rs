//! A queue's attributes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Answer, Call, Flow, unwritten};
use haar_ledger::Snapshot;
use haar_sqs_contract::{
    GetQueueAttributes, GetQueueAttributesRequest, GetQueueAttributesResult, SetQueueAttributes,
    SetQueueAttributesOutput, SetQueueAttributesRequest,
};
use haar_wire::AwsError;

use crate::Sqs;
use crate::engine::Counts;
use crate::lookup::find;
use crate::refusal::{broken, invalid_value, missing, unknown_attribute};
use crate::rules::attributes::{OBSERVED, SETTABLE, Settings};
use crate::state::{QueueKey, QueueRow};

/// AWS docs: *Amazon SQS API Reference > GetQueueAttributes*.
impl Flow<GetQueueAttributes> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetQueueAttributesRequest,
    ) -> Answer<GetQueueAttributes> {
        let row = find(&self.doors.ledger.snapshot(), &call, &input.queue_url)?;
        let names = input.attribute_names.unwrap_or_default();
        let known = |name: &str| OBSERVED.contains(&name) || SETTABLE.contains(&name);
        if let Some(unknown) = names.iter().find(|name| !known(name.as_str())) {
            return Err(unknown_attribute(unknown));
        }
        self.metrics.bill(&row, call.now, 0);
        if names.is_empty() {
            return Ok(GetQueueAttributesResult { attributes: None });
        }
        let queue = self.at_work(&row).await.map_err(broken)?;
        self.expire(&row, &queue, call.now).await.map_err(broken)?;
        let (counts, _) = self.engine.counts(&queue).map_err(broken)?;
        let mut all = shown(&row, counts);
        let wants_all = names.iter().any(|name| name == "All");
        all.retain(|name, _| wants_all || names.iter().any(|wanted| wanted == name));
        let attributes = all.into_iter().map(|(name, value)| (name.to_owned(), value));
        Ok(GetQueueAttributesResult { attributes: Some(attributes.collect()) })
    }
}

fn shown(row: &QueueRow, counts: Counts) -> BTreeMap<&'static str, String> {
    let mut shown = row.settings.shown();
    shown.extend([
        ("ApproximateNumberOfMessages", counts.ready.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
        ("CreatedTimestamp", row.created_at.seconds().to_string()),
        ("LastModifiedTimestamp", row.modified_at.seconds().to_string()),
        ("QueueArn", row.key.arn()),
    ]);
    shown
}

/// AWS docs: *Amazon SQS API Reference > SetQueueAttributes*.
impl Flow<SetQueueAttributes> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: SetQueueAttributesRequest,
    ) -> Answer<SetQueueAttributes> {
        if input.attributes.is_empty() {
            return Err(missing("Attribute.Name"));
        }
        let committed = self.doors.ledger.transact(|tx| {
            let row = find(tx, &call, &input.queue_url)?;
            let mut settings = row.settings.clone();
            settings.apply(&input.attributes)?;
            check_redrive(tx, &row.key, &settings)?;
            let after = QueueRow { settings, modified_at: call.now, ..(*row).clone() };
            tx.put(after.clone());
            Ok::<_, AwsError>((row, after))
        })?;
        let (before, after) = committed.durable().await.map_err(unwritten)?;
        let (was, is) = (&before.settings, &after.settings);
        if is.is_fifo && was.delay_seconds != is.delay_seconds {
            let delay = Duration::from_secs(is.delay_seconds.into());
            let queue = self.at_work(&after).await.map_err(broken)?;
            self.engine.delay_anew(&queue, delay).await.map_err(broken)?;
        }
        if was.retention_seconds != is.retention_seconds {
            self.engine.aged.notify_one();
        }
        self.metrics.bill(&after, call.now, 0);
        Ok(SetQueueAttributesOutput {})
    }
}

/// Refuses a queue for dead letters that is not there, of another type, or does not allow it.
pub(super) fn check_redrive(
    snapshot: &Snapshot,
    source: &QueueKey,
    settings: &Settings,
) -> Result<(), AwsError> {
    let Some((text, redrive)) = &settings.redrive else { return Ok(()) };
    let refuse = |reason: &str| Err(invalid_value(text, "RedrivePolicy", reason));
    let near = QueueKey::of_arn(&redrive.target_arn)
        .filter(|key| key.account == source.account && key.region == source.region);
    let Some(target) = near.and_then(|key| snapshot.get::<QueueRow>(&key)) else {
        return refuse("Dead letter target does not exist.");
    };
    if target.settings.is_fifo != settings.is_fifo {
        return refuse("Dead letter queue must be same type of queue as the source.");
    }
    if target.key == *source {
        return refuse("Dead letter target owner should be same as the source and another queue.");
    }
    let allowed = target.settings.redrive_allow.as_ref();
    match allowed.is_none_or(|(_, allowed)| allowed.allows(&source.arn())) {
        true => Ok(()),
        false => refuse(
            "Source queue is not authorized to use the specified dead letter queue: its \
             RedriveAllowPolicy does not allow it.",
        ),
    }
}
