//! Schedule groups.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_scheduler_contract::model::{
    CreateScheduleGroup, CreateScheduleGroupInput, CreateScheduleGroupOutput, DeleteScheduleGroup,
    DeleteScheduleGroupInput, DeleteScheduleGroupOutput, GetScheduleGroup, GetScheduleGroupInput,
    GetScheduleGroupOutput, ListScheduleGroups, ListScheduleGroupsInput, ListScheduleGroupsOutput,
};

use super::listing;
use super::tags::added;
use crate::Scheduler;
use crate::lookup::{find_group, get_group, groups, schedules_of};
use crate::refusal::{exists, invalid, too_many};
use crate::render;
use crate::state::{DEFAULT_GROUP, GroupKey, GroupRow, ScheduleRow};

/// Groups of an account in a region. *EventBridge Scheduler quotas*.
const GROUPS_MAX: usize = 500;

impl Command<CreateScheduleGroup> for Scheduler {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateScheduleGroupInput,
    ) -> Answer<CreateScheduleGroup> {
        let key = GroupKey::own(call, Some(&input.name));
        if get_group(tx, &key).is_some() {
            return Err(exists("Schedule group", &input.name));
        }
        if groups(tx, call).len() >= GROUPS_MAX {
            return Err(too_many("schedule groups"));
        }
        let tags = added(Default::default(), input.tags.unwrap_or_default())?;
        let row = GroupRow { key, tags, created_at: call.now, modified_at: call.now };
        let schedule_group_arn = row.key.arn();
        tx.put(row);
        Ok(CreateScheduleGroupOutput { schedule_group_arn })
    }
}

impl Query<GetScheduleGroup> for Scheduler {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetScheduleGroupInput,
    ) -> Answer<GetScheduleGroup> {
        let row = find_group(snapshot, &GroupKey::own(call, Some(&input.name)))?;
        let shown = render::group(&row);
        Ok(GetScheduleGroupOutput {
            arn: shown.arn,
            creation_date: shown.creation_date,
            last_modification_date: shown.last_modification_date,
            name: shown.name,
            state: shown.state,
        })
    }
}

impl Query<ListScheduleGroups> for Scheduler {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListScheduleGroupsInput,
    ) -> Answer<ListScheduleGroups> {
        let listing = listing::<ListScheduleGroups>(call, &input)?;
        let prefix = input.name_prefix.unwrap_or_default();
        let all =
            groups(snapshot, call).into_iter().filter(|row| row.key.name.starts_with(&prefix));
        let page = listing.page(all, |row| row.key.name.clone());
        let schedule_groups = page.items.iter().map(|row| render::group(row)).collect();
        Ok(ListScheduleGroupsOutput { next_token: page.next, schedule_groups })
    }
}

impl Command<DeleteScheduleGroup> for Scheduler {
    /// Its schedules go with it, at once. AWS shows `DELETING` for a while.
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteScheduleGroupInput,
    ) -> Answer<DeleteScheduleGroup> {
        let key = GroupKey::own(call, Some(&input.name));
        if key.name == DEFAULT_GROUP {
            return Err(invalid("The default schedule group cannot be deleted."));
        }
        find_group(tx, &key)?;
        let schedules: Vec<_> = schedules_of(tx, &key).map(|row| row.key.clone()).collect();
        for schedule in &schedules {
            tx.remove::<ScheduleRow>(schedule);
        }
        tx.remove::<GroupRow>(&key);
        Ok(DeleteScheduleGroupOutput {})
    }
}
