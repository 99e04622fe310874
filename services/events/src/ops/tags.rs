//! Tags of buses and rules.

use haar_events_contract::model::{
    ListTagsForResource, ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResource,
    TagResourceRequest, TagResourceResponse, UntagResource, UntagResourceRequest,
    UntagResourceResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use super::bus::touch;
use crate::Events;
use crate::lookup::get_bus;
use crate::refusal::{invalid, no_bus, no_rule, not_found, too_many};
use crate::state::{BusKey, BusRow, RuleKey, RuleRow};

/// Tags of a resource at most.
const TAGS_MAX: usize = 50;

/// Tags with more of them.
pub(super) fn added(mut tags: Tags, more: Option<Vec<Tag>>) -> Result<Tags, AwsError> {
    for tag in more.unwrap_or_default() {
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys beginning with aws: are reserved for system use."));
        }
        tags.insert(tag.key, tag.value);
    }
    if tags.len() > TAGS_MAX { Err(too_many()) } else { Ok(tags) }
}

/// What has tags.
enum Tagged {
    Bus(BusRow),
    Rule(RuleRow),
}

impl Tagged {
    fn find(snapshot: &Snapshot, arn: &str) -> Result<Self, AwsError> {
        if let Some(key) = BusKey::of_arn(arn) {
            let row = get_bus(snapshot, &key).ok_or_else(|| no_bus(&key.name))?;
            return Ok(Self::Bus(BusRow::clone(&row)));
        }
        let key = RuleKey::of_arn(arn);
        let key = key.ok_or_else(|| not_found(format!("Resource {arn} does not exist.")))?;
        let row = snapshot.get::<RuleRow>(&key);
        let row = row.ok_or_else(|| no_rule(&key.name, &key.bus.name))?;
        Ok(Self::Rule(RuleRow::clone(&row)))
    }

    fn tags(&mut self) -> &mut Tags {
        match self {
            Self::Bus(row) => &mut row.tags,
            Self::Rule(row) => &mut row.tags,
        }
    }

    fn put(self, call: &Call, tx: &mut Tx) {
        match self {
            Self::Bus(mut row) => {
                touch(&mut row, call);
                tx.put(row);
            }
            Self::Rule(row) => tx.put(row),
        }
    }
}

/// The tags of a resource, for its authorisation.
pub(crate) fn tags_of(snapshot: &Snapshot, _call: &Call, arn: &str) -> Option<Tags> {
    Some(Tagged::find(snapshot, arn).ok()?.tags().clone())
}

impl Command<TagResource> for Events {
    fn command(&self, call: &Call, tx: &mut Tx, input: TagResourceRequest) -> Answer<TagResource> {
        let mut found = Tagged::find(tx, &input.resource_arn)?;
        *found.tags() = added(std::mem::take(found.tags()), Some(input.tags))?;
        found.put(call, tx);
        Ok(TagResourceResponse {})
    }
}

impl Command<UntagResource> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UntagResourceRequest,
    ) -> Answer<UntagResource> {
        let mut found = Tagged::find(tx, &input.resource_arn)?;
        found.tags().retain(|key, _| !input.tag_keys.contains(key));
        found.put(call, tx);
        Ok(UntagResourceResponse {})
    }
}

impl Query<ListTagsForResource> for Events {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: ListTagsForResourceRequest,
    ) -> Answer<ListTagsForResource> {
        let mut found = Tagged::find(snapshot, &input.resource_arn)?;
        let tags = std::mem::take(found.tags());
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Ok(ListTagsForResourceResponse { tags: Some(tags) })
    }
}
