//! Queues' tags.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_sqs_contract::{
    ListQueueTags, ListQueueTagsRequest, ListQueueTagsResult, TagQueue, TagQueueOutput,
    TagQueueRequest, UntagQueue, UntagQueueOutput, UntagQueueRequest,
};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Sqs;
use crate::lookup::find;
use crate::refusal::{invalid, missing};
use crate::state::QueueRow;

const TAGS_MAX: usize = 50;

/// Refuses tags that no queue can have.
pub(super) fn check_tags(queue: &str, tags: &Tags) -> Result<(), AwsError> {
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!("Too many tags added for queue {queue}.")));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid("Tag keys must be between 1 and 128 characters in length."));
        }
        if value.chars().count() > 256 {
            return Err(invalid("Tag values must be between 0 and 256 characters in length."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys cannot start with the reserved prefix aws:."));
        }
    }
    Ok(())
}

/// AWS docs: *Amazon SQS API Reference > TagQueue*.
impl Command<TagQueue> for Sqs {
    fn command(&self, call: &Call, tx: &mut Tx, input: TagQueueRequest) -> Answer<TagQueue> {
        let row = find(tx, call, &input.queue_url)?;
        if input.tags.is_empty() {
            return Err(missing("Tags"));
        }
        let mut row = QueueRow::clone(&row);
        row.tags.extend(input.tags);
        check_tags(&row.key.name, &row.tags)?;
        tx.put(row);
        Ok(TagQueueOutput {})
    }
}

/// AWS docs: *Amazon SQS API Reference > UntagQueue*.
impl Command<UntagQueue> for Sqs {
    fn command(&self, call: &Call, tx: &mut Tx, input: UntagQueueRequest) -> Answer<UntagQueue> {
        let row = find(tx, call, &input.queue_url)?;
        if input.tag_keys.is_empty() {
            return Err(missing("TagKeys"));
        }
        let mut row = QueueRow::clone(&row);
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        tx.put(row);
        Ok(UntagQueueOutput {})
    }
}

/// AWS docs: *Amazon SQS API Reference > ListQueueTags*.
impl Query<ListQueueTags> for Sqs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListQueueTagsRequest,
    ) -> Answer<ListQueueTags> {
        let row = find(snapshot, call, &input.queue_url)?;
        let tags = Some(row.tags.clone()).filter(|tags| !tags.is_empty());
        Ok(ListQueueTagsResult { tags })
    }
}
