//! Tags of streams and consumers.

use std::collections::BTreeMap;

use haar_kernel::{Answer, Call, Command, Query};
use haar_kinesis_contract::{
    AddTagsToStream, AddTagsToStreamInput, AddTagsToStreamOutput, ListTagsForResource,
    ListTagsForResourceInput, ListTagsForResourceOutput, ListTagsForStream, ListTagsForStreamInput,
    ListTagsForStreamOutput, RemoveTagsFromStream, RemoveTagsFromStreamInput,
    RemoveTagsFromStreamOutput, Tag, TagResource, TagResourceInput, TagResourceOutput,
    UntagResource, UntagResourceInput, UntagResourceOutput,
};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Kinesis;
use crate::lookup::{find, find_consumer};
use crate::refusal::{invalid_argument, limit_exceeded};
use crate::state::{ConsumerRow, StreamRow};

/// Tags of a stream at most.
const TAGS_MAX: usize = 50;
/// Tags of a page unless the request says fewer.
const PAGE: usize = 50;

/// Adds tags to those that are there.
pub(super) fn add_tags(tags: &mut Tags, more: BTreeMap<String, String>) -> Result<(), AwsError> {
    if more.keys().any(|key| key.to_lowercase().starts_with("aws:")) {
        return Err(invalid_argument("Tag keys beginning with aws: are reserved."));
    }
    tags.extend(more);
    if tags.len() > TAGS_MAX {
        return Err(limit_exceeded(format!("A resource can have {TAGS_MAX} tags at most.")));
    }
    Ok(())
}

/// What has tags.
enum Tagged {
    Stream(StreamRow),
    Consumer(ConsumerRow),
}

impl Tagged {
    fn find(snapshot: &Snapshot, call: &Call, arn: &str) -> Result<Self, AwsError> {
        if arn.contains("/consumer/") {
            let row = find_consumer(snapshot, call, Some(arn), None, None)?;
            return Ok(Self::Consumer(ConsumerRow::clone(&row)));
        }
        let row = find(snapshot, call, None, Some(arn))?;
        Ok(Self::Stream(StreamRow::clone(&row)))
    }

    fn tags(&mut self) -> &mut Tags {
        match self {
            Self::Stream(row) => &mut row.tags,
            Self::Consumer(row) => &mut row.tags,
        }
    }

    fn put(self, tx: &mut Tx) {
        match self {
            Self::Stream(row) => tx.put(row),
            Self::Consumer(row) => tx.put(row),
        }
    }
}

fn shown(tags: impl IntoIterator<Item = (String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key, value: Some(value) }).collect()
}

/// AWS docs: *Kinesis Data Streams API Reference > AddTagsToStream*.
impl Command<AddTagsToStream> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AddTagsToStreamInput,
    ) -> Answer<AddTagsToStream> {
        let row = find(tx, call, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let mut row = StreamRow::clone(&row);
        add_tags(&mut row.tags, input.tags)?;
        tx.put(row);
        Ok(AddTagsToStreamOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > RemoveTagsFromStream*.
impl Command<RemoveTagsFromStream> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemoveTagsFromStreamInput,
    ) -> Answer<RemoveTagsFromStream> {
        let row = find(tx, call, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let mut row = StreamRow::clone(&row);
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        tx.put(row);
        Ok(RemoveTagsFromStreamOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > ListTagsForStream*.
impl Query<ListTagsForStream> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListTagsForStreamInput,
    ) -> Answer<ListTagsForStream> {
        let row = find(snapshot, call, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let after = input.exclusive_start_tag_key;
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
        let mut rest = row
            .tags
            .clone()
            .into_iter()
            .filter(|(key, _)| after.as_ref().is_none_or(|it| key > it));
        let tags = shown(rest.by_ref().take(limit));
        Ok(ListTagsForStreamOutput { tags, has_more_tags: rest.next().is_some() })
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > TagResource*.
impl Command<TagResource> for Kinesis {
    fn command(&self, call: &Call, tx: &mut Tx, input: TagResourceInput) -> Answer<TagResource> {
        let mut tagged = Tagged::find(tx, call, &input.resource_arn)?;
        add_tags(tagged.tags(), input.tags)?;
        tagged.put(tx);
        Ok(TagResourceOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > UntagResource*.
impl Command<UntagResource> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UntagResourceInput,
    ) -> Answer<UntagResource> {
        let mut tagged = Tagged::find(tx, call, &input.resource_arn)?;
        tagged.tags().retain(|key, _| !input.tag_keys.contains(key));
        tagged.put(tx);
        Ok(UntagResourceOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > ListTagsForResource*.
impl Query<ListTagsForResource> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListTagsForResourceInput,
    ) -> Answer<ListTagsForResource> {
        let mut tagged = Tagged::find(snapshot, call, &input.resource_arn)?;
        let tags = std::mem::take(tagged.tags());
        Ok(ListTagsForResourceOutput { tags: Some(shown(tags)) })
    }
}
