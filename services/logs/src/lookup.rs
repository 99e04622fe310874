//! Finds what a request names.

use std::sync::Arc;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::refusal;
use crate::rules::group_name::parse_identifier;
use crate::state::{GroupKey, GroupRow, StreamKey, StreamRow};

/// The key of a group of the caller's.
pub(crate) fn group_key(call: &Call, name: &str) -> GroupKey {
    GroupKey::new(&call.account, &call.region, name)
}

/// The group of that name.
pub(crate) fn find_group(snapshot: &Snapshot, key: &GroupKey) -> Result<Arc<GroupRow>, AwsError> {
    snapshot.get::<GroupRow>(key).ok_or_else(refusal::no_group)
}

/// The stream of that name in a group.
pub(crate) fn find_stream(
    snapshot: &Snapshot,
    group: &GroupKey,
    name: &str,
) -> Result<Arc<StreamRow>, AwsError> {
    let key = StreamKey { group: group.clone(), name: name.to_owned() };
    snapshot.get::<StreamRow>(&key).ok_or_else(refusal::no_stream)
}

/// The group that `logGroupName` or `logGroupIdentifier` names; exactly one of them is given.
pub(crate) fn named_group(
    call: &Call,
    name: Option<&str>,
    identifier: Option<&str>,
) -> Result<GroupKey, AwsError> {
    match (name, identifier) {
        (Some(name), None) => Ok(group_key(call, name)),
        (None, Some(identifier)) => identified_group(call, identifier),
        (Some(_), Some(_)) => Err(refusal::invalid(
            "LogGroup name and LogGroup identifier are mutually exclusive parameters.",
        )),
        (None, None) => Err(refusal::invalid(
            "At least one of LogGroup name and LogGroup identifier must be specified.",
        )),
    }
}

/// The group that a name or an ARN stands for; other accounts' groups are not to be seen.
pub(crate) fn identified_group(call: &Call, identifier: &str) -> Result<GroupKey, AwsError> {
    let parsed = parse_identifier(identifier);
    let Some((place, name)) = parsed else {
        return Err(refusal::invalid(format!("The specified ARN {identifier} is invalid.")));
    };
    let own = place.is_none_or(|(account, region)| {
        account == call.account.as_str() && region == call.region.as_str()
    });
    if own { Ok(group_key(call, name)) } else { Err(refusal::no_group()) }
}
