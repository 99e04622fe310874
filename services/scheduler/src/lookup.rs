//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_types::{Tags, Timestamp};
use haar_wire::AwsError;

use crate::refusal::{no_group, no_schedule};
use crate::state::{DEFAULT_GROUP, GroupKey, GroupRow, ScheduleKey, ScheduleRow};

/// A group that is there. The default group always is.
pub(crate) fn get_group(snapshot: &Snapshot, key: &GroupKey) -> Option<Arc<GroupRow>> {
    let by_rule = || {
        let (created_at, modified_at) = (Timestamp(0), Timestamp(0));
        Arc::new(GroupRow { key: key.clone(), tags: Tags::new(), created_at, modified_at })
    };
    snapshot.get::<GroupRow>(key).or_else(|| (key.name == DEFAULT_GROUP).then(by_rule))
}

/// A group that a request names.
pub(crate) fn find_group(snapshot: &Snapshot, key: &GroupKey) -> Result<Arc<GroupRow>, AwsError> {
    get_group(snapshot, key).ok_or_else(|| no_group(&key.name))
}

/// A schedule that a request names.
pub(crate) fn find_schedule(
    snapshot: &Snapshot,
    call: &Call,
    group: Option<&str>,
    name: &str,
) -> Result<Arc<ScheduleRow>, AwsError> {
    let group = find_group(snapshot, &GroupKey::own(call, group))?.key.clone();
    let key = ScheduleKey { group, name: name.to_owned() };
    snapshot.get::<ScheduleRow>(&key).ok_or_else(|| no_schedule(name))
}

/// The schedules of a group, by name.
pub(crate) fn schedules_of<'s>(
    snapshot: &'s Snapshot,
    group: &'s GroupKey,
) -> impl Iterator<Item = Arc<ScheduleRow>> + 's {
    let first = ScheduleKey { group: group.clone(), name: String::new() };
    snapshot.range::<ScheduleRow>(first..).take_while(move |row| row.key.group == *group)
}

/// The schedules of the caller's account in its region, by group and name.
pub(crate) fn schedules<'s>(
    snapshot: &'s Snapshot,
    call: &'s Call,
) -> impl Iterator<Item = Arc<ScheduleRow>> + 's {
    let first = ScheduleKey { group: GroupKey::own(call, Some("")), name: String::new() };
    snapshot.range::<ScheduleRow>(first..).take_while(|row| {
        row.key.group.account == call.account && row.key.group.region == call.region
    })
}

/// The groups of the caller's account in its region, by name; the default one is among them.
pub(crate) fn groups(snapshot: &Snapshot, call: &Call) -> Vec<Arc<GroupRow>> {
    let own =
        |row: &Arc<GroupRow>| row.key.account == call.account && row.key.region == call.region;
    let first = GroupKey::own(call, Some(""));
    let mut all: Vec<_> = snapshot.range::<GroupRow>(first..).take_while(own).collect();
    if !all.iter().any(|row| row.key.name == DEFAULT_GROUP) {
        all.extend(get_group(snapshot, &GroupKey::own(call, None)));
        all.sort_by(|one, other| one.key.cmp(&other.key));
    }
    all
}
