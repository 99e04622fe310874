//! Tags of pipes.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_pipes_contract::model::{
    ListTagsForResource, ListTagsForResourceRequest, ListTagsForResourceResponse, TagResource,
    TagResourceRequest, TagResourceResponse, UntagResource, UntagResourceRequest,
    UntagResourceResponse,
};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Pipes;
use crate::lookup::find_by_arn;
use crate::refusal::invalid;
use crate::state::PipeRow;

/// Tags of a pipe at most.
const TAGS_MAX: usize = 50;

/// Tags with more of them.
pub(super) fn added(mut tags: Tags, more: Tags) -> Result<Tags, AwsError> {
    if more.keys().any(|key| key.to_lowercase().starts_with("aws:")) {
        return Err(invalid("Tag keys beginning with aws: are reserved for system use."));
    }
    tags.extend(more);
    match tags.len() > TAGS_MAX {
        true => Err(invalid(format!("A pipe can have {TAGS_MAX} tags at most."))),
        false => Ok(tags),
    }
}

impl Command<TagResource> for Pipes {
    fn command(&self, _call: &Call, tx: &mut Tx, input: TagResourceRequest) -> Answer<TagResource> {
        let mut row = PipeRow::clone(&*find_by_arn(tx, &input.resource_arn)?);
        row.tags = added(row.tags, input.tags)?;
        tx.put(row);
        Ok(TagResourceResponse {})
    }
}

impl Command<UntagResource> for Pipes {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: UntagResourceRequest,
    ) -> Answer<UntagResource> {
        let mut row = PipeRow::clone(&*find_by_arn(tx, &input.resource_arn)?);
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        tx.put(row);
        Ok(UntagResourceResponse {})
    }
}

impl Query<ListTagsForResource> for Pipes {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: ListTagsForResourceRequest,
    ) -> Answer<ListTagsForResource> {
        let row = find_by_arn(snapshot, &input.resource_arn)?;
        Ok(ListTagsForResourceResponse { tags: Some(row.tags.clone()) })
    }
}
