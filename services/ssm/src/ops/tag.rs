//! Tags of parameters.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_ssm_contract::{
    AddTagsToResource, AddTagsToResourceRequest, AddTagsToResourceResult, ListTagsForResource,
    ListTagsForResourceRequest, ListTagsForResourceResult, RemoveTagsFromResource,
    RemoveTagsFromResourceRequest, RemoveTagsFromResourceResult, ResourceTypeForTagging, Tag,
};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Ssm;
use crate::lookup::find_row;
use crate::refusal::invalid;
use crate::state::ParameterRow;

/// Tags of a parameter at most.
const TAGS_MAX: usize = 50;

/// Adds tags to those that are there.
pub(super) fn add_tags(tags: &mut Tags, more: Vec<Tag>) -> Result<(), AwsError> {
    for tag in more {
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys beginning with aws: are reserved"));
        }
        tags.insert(tag.key, tag.value);
    }
    if tags.len() > TAGS_MAX {
        let text = format!("A resource can have a maximum of {TAGS_MAX} tags");
        return Err(AwsError::new("TooManyTagsError", 400, text));
    }
    Ok(())
}

/// The parameter that has the tags; other kinds of resource are not here.
fn find(
    snapshot: &Snapshot,
    call: &Call,
    kind: ResourceTypeForTagging,
    id: &str,
) -> Result<ParameterRow, AwsError> {
    if kind != ResourceTypeForTagging::Parameter {
        let text = format!("{kind} is not a resource that haar has");
        return Err(AwsError::new("InvalidResourceType", 400, text));
    }
    let found = find_row(snapshot, call, id);
    let row = found.map_err(|_| AwsError::new("InvalidResourceId", 400, String::new()))?;
    Ok(ParameterRow::clone(&row))
}

impl Command<AddTagsToResource> for Ssm {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AddTagsToResourceRequest,
    ) -> Answer<AddTagsToResource> {
        let mut row = find(tx, call, input.resource_type, &input.resource_id)?;
        add_tags(&mut row.tags, input.tags)?;
        tx.put(row);
        Ok(AddTagsToResourceResult {})
    }
}

impl Command<RemoveTagsFromResource> for Ssm {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemoveTagsFromResourceRequest,
    ) -> Answer<RemoveTagsFromResource> {
        let mut row = find(tx, call, input.resource_type, &input.resource_id)?;
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        tx.put(row);
        Ok(RemoveTagsFromResourceResult {})
    }
}

impl Query<ListTagsForResource> for Ssm {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListTagsForResourceRequest,
    ) -> Answer<ListTagsForResource> {
        let row = find(snapshot, call, input.resource_type, &input.resource_id)?;
        let tags = row.tags.into_iter().map(|(key, value)| Tag { key, value });
        Ok(ListTagsForResourceResult { tag_list: Some(tags.collect()) })
    }
}
