//! Tags of log groups, by the newer operations (ARN) and the older ones (name).

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_logs_contract::model::{
    ListTagsForResource, ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroup,
    ListTagsLogGroupRequest, ListTagsLogGroupResponse, TagLogGroup, TagLogGroupRequest,
    TagResource, TagResourceRequest, TooManyTagsException, UntagLogGroup, UntagLogGroupRequest,
    UntagResource, UntagResourceRequest,
};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Logs;
use crate::lookup::{find_group, group_key, identified_group};
use crate::refusal;
use crate::state::{GroupKey, GroupRow};

/// Most tags of one group.
const TAG_COUNT_MAX: usize = 50;

impl Command<TagResource> for Logs {
    fn command(&self, call: &Call, tx: &mut Tx, input: TagResourceRequest) -> Answer<TagResource> {
        add(tx, &tagged(call, &input.resource_arn)?, input.tags)?;
        Ok(Default::default())
    }
}

impl Command<UntagResource> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UntagResourceRequest,
    ) -> Answer<UntagResource> {
        remove(tx, &tagged(call, &input.resource_arn)?, &input.tag_keys)?;
        Ok(Default::default())
    }
}

impl Query<ListTagsForResource> for Logs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListTagsForResourceRequest,
    ) -> Answer<ListTagsForResource> {
        let row = snapshot.get::<GroupRow>(&tagged(call, &input.resource_arn)?);
        let row = row.ok_or_else(refusal::no_resource)?;
        Ok(ListTagsForResourceResponse { tags: Some(row.tags.clone()) })
    }
}

impl Command<TagLogGroup> for Logs {
    fn command(&self, call: &Call, tx: &mut Tx, input: TagLogGroupRequest) -> Answer<TagLogGroup> {
        let key = group_key(call, &input.log_group_name);
        find_group(tx, &key)?;
        add(tx, &key, input.tags)?;
        Ok(Default::default())
    }
}

impl Command<UntagLogGroup> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UntagLogGroupRequest,
    ) -> Answer<UntagLogGroup> {
        let key = group_key(call, &input.log_group_name);
        find_group(tx, &key)?;
        remove(tx, &key, &input.tags)?;
        Ok(Default::default())
    }
}

impl Query<ListTagsLogGroup> for Logs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListTagsLogGroupRequest,
    ) -> Answer<ListTagsLogGroup> {
        let row = find_group(snapshot, &group_key(call, &input.log_group_name))?;
        Ok(ListTagsLogGroupResponse { tags: Some(row.tags.clone()) })
    }
}

/// The group that an ARN names; anything else is not there.
fn tagged(call: &Call, arn: &str) -> Result<GroupKey, AwsError> {
    if !arn.starts_with("arn:") {
        return Err(refusal::invalid(format!("The specified ARN {arn} is invalid.")));
    }
    identified_group(call, arn).map_err(|_| refusal::no_resource())
}

fn add(tx: &mut Tx, key: &GroupKey, tags: Tags) -> Result<(), AwsError> {
    let row = tx.get::<GroupRow>(key).ok_or_else(refusal::no_resource)?;
    let mut row = (*row).clone();
    check_names(&tags)?;
    row.tags.extend(tags);
    if row.tags.len() > TAG_COUNT_MAX {
        let error = TooManyTagsException::message("A resource can have up to 50 tags.");
        return Err(TooManyTagsException { resource_name: Some(key.arn()), ..error }.into());
    }
    tx.put(row);
    Ok(())
}

/// Refuses tags that are AWS's own.
pub(super) fn check_names(tags: &Tags) -> Result<(), AwsError> {
    match tags.keys().any(|name| name.to_lowercase().starts_with("aws:")) {
        true => {
            Err(refusal::invalid("aws: prefixed tag key names are not allowed for external use."))
        }
        false => Ok(()),
    }
}

fn remove(tx: &mut Tx, key: &GroupKey, names: &[String]) -> Result<(), AwsError> {
    let row = tx.get::<GroupRow>(key).ok_or_else(refusal::no_resource)?;
    let mut row = (*row).clone();
    row.tags.retain(|name, _| !names.contains(name));
    tx.put(row);
    Ok(())
}
