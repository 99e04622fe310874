//! Tags of tables.

use haar_dynamodb_contract::{
    ListTagsOfResource, ListTagsOfResourceInput, ListTagsOfResourceOutput, Tag, TagResource,
    TagResourceInput, TagResourceOutput, UntagResource, UntagResourceInput, UntagResourceOutput,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use super::table::create::{TAGS_MAX, tags};
use crate::Dynamodb;
use crate::lookup::find_by_arn;
use crate::refusal::invalid;
use crate::state::TableRow;

/// Tags on a page.
const PAGE: usize = 10;

/// AWS docs: *Amazon DynamoDB API Reference > TagResource*.
impl Command<TagResource> for Dynamodb {
    fn command(&self, _call: &Call, tx: &mut Tx, input: TagResourceInput) -> Answer<TagResource> {
        let mut row = TableRow::clone(&*find_by_arn(tx, &input.resource_arn)?);
        row.tags.extend(tags(&input.tags)?);
        if row.tags.len() > TAGS_MAX {
            let text = format!("Too many tags: the maximum number of tags is {TAGS_MAX}");
            return Err(invalid(text));
        }
        tx.put(row);
        Ok(TagResourceOutput {})
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > UntagResource*.
impl Command<UntagResource> for Dynamodb {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: UntagResourceInput,
    ) -> Answer<UntagResource> {
        let mut row = TableRow::clone(&*find_by_arn(tx, &input.resource_arn)?);
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        tx.put(row);
        Ok(UntagResourceOutput {})
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > ListTagsOfResource*.
impl Query<ListTagsOfResource> for Dynamodb {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: ListTagsOfResourceInput,
    ) -> Answer<ListTagsOfResource> {
        let row = find_by_arn(snapshot, &input.resource_arn)?;
        let after = input.next_token.unwrap_or_default();
        let mut rest = row.tags.iter().filter(|(key, _)| after.is_empty() || **key > after);
        let tag = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
        let page: Vec<Tag> = rest.by_ref().take(PAGE).map(tag).collect();
        let last = page.last().map(|tag| tag.key.clone());
        Ok(ListTagsOfResourceOutput {
            next_token: last.filter(|_| rest.next().is_some()),
            tags: Some(page),
        })
    }
}
