//! Tags of schedule groups.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_scheduler_contract::model::{
    ListTagsForResource, ListTagsForResourceInput, ListTagsForResourceOutput, Tag, TagResource,
    TagResourceInput, TagResourceOutput, UntagResource, UntagResourceInput, UntagResourceOutput,
};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Scheduler;
use crate::lookup::find_group;
use crate::refusal::{invalid, no_group};
use crate::state::{GroupKey, GroupRow};

/// Tags of a group at most.
const TAGS_MAX: usize = 50;

/// Tags with more of them.
pub(super) fn added(mut tags: Tags, more: Vec<Tag>) -> Result<Tags, AwsError> {
    for tag in more {
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys beginning with aws: are reserved for system use."));
        }
        tags.insert(tag.key, tag.value);
    }
    match tags.len() > TAGS_MAX {
        true => Err(invalid(format!("A schedule group can have {TAGS_MAX} tags at most."))),
        false => Ok(tags),
    }
}

/// The group that has the tags: schedules have none.
fn find(snapshot: &Snapshot, arn: &str) -> Result<GroupRow, AwsError> {
    let key = GroupKey::of_arn(arn).ok_or_else(|| no_group(arn))?;
    find_group(snapshot, &key).map(|row| GroupRow::clone(&row))
}

impl Command<TagResource> for Scheduler {
    fn command(&self, call: &Call, tx: &mut Tx, input: TagResourceInput) -> Answer<TagResource> {
        let mut row = find(tx, &input.resource_arn)?;
        row.tags = added(row.tags, input.tags)?;
        row.modified_at = call.now;
        tx.put(row);
        Ok(TagResourceOutput {})
    }
}

impl Command<UntagResource> for Scheduler {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UntagResourceInput,
    ) -> Answer<UntagResource> {
        let mut row = find(tx, &input.resource_arn)?;
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        row.modified_at = call.now;
        tx.put(row);
        Ok(UntagResourceOutput {})
    }
}

impl Query<ListTagsForResource> for Scheduler {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: ListTagsForResourceInput,
    ) -> Answer<ListTagsForResource> {
        let row = find(snapshot, &input.resource_arn)?;
        let tags = row.tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Ok(ListTagsForResourceOutput { tags: Some(tags) })
    }
}
