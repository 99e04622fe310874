//! Topics' tags.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_sns_contract::{
    ListTagsForResource, ListTagsForResourceRequest, ListTagsForResourceResponse, Tag,
    TagLimitExceededException, TagResource, TagResourceRequest, TagResourceResponse, UntagResource,
    UntagResourceRequest, UntagResourceResponse,
};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Sns;
use crate::refusal::{invalid, no_resource};
use crate::state::{TopicKey, TopicRow};

const TAGS_MAX: usize = 50;

/// Reads tags, each key once.
pub(super) fn read_tags(given: Vec<Tag>) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for Tag { key, value } in given {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tags Reason: aws: prefixed tag key names are not allowed"));
        }
        if tags.insert(key, value).is_some() {
            return Err(invalid("Duplicated keys are not allowed."));
        }
    }
    check_count(&tags)?;
    Ok(tags)
}

fn check_count(tags: &Tags) -> Result<(), AwsError> {
    match tags.len() <= TAGS_MAX {
        true => Ok(()),
        false => {
            let text = "Could not complete request: tag quota of per resource exceeded";
            Err(TagLimitExceededException::message(text).into())
        }
    }
}

fn find(snapshot: &Snapshot, arn: &str) -> Result<Arc<TopicRow>, AwsError> {
    let key = TopicKey::of_arn(arn).ok_or_else(no_resource)?;
    snapshot.get::<TopicRow>(&key).ok_or_else(no_resource)
}

/// AWS docs: *Amazon SNS API Reference > TagResource*.
impl Command<TagResource> for Sns {
    fn command(&self, _call: &Call, tx: &mut Tx, input: TagResourceRequest) -> Answer<TagResource> {
        let mut row = TopicRow::clone(&*find(tx, &input.resource_arn)?);
        row.tags.extend(read_tags(input.tags)?);
        check_count(&row.tags)?;
        tx.put(row);
        Ok(TagResourceResponse {})
    }
}

/// AWS docs: *Amazon SNS API Reference > UntagResource*.
impl Command<UntagResource> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: UntagResourceRequest,
    ) -> Answer<UntagResource> {
        let mut row = TopicRow::clone(&*find(tx, &input.resource_arn)?);
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        tx.put(row);
        Ok(UntagResourceResponse {})
    }
}

/// AWS docs: *Amazon SNS API Reference > ListTagsForResource*.
impl Query<ListTagsForResource> for Sns {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: ListTagsForResourceRequest,
    ) -> Answer<ListTagsForResource> {
        let row = find(snapshot, &input.resource_arn)?;
        let tag = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
        Ok(ListTagsForResourceResponse { tags: Some(row.tags.iter().map(tag).collect()) })
    }
}
