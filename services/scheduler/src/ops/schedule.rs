//! Schedules.

use haar_iam_contract::passing::check_pass_role;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Answer, Auth, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_scheduler_contract::model::{
    ActionAfterCompletion, CreateSchedule, CreateScheduleInput, CreateScheduleOutput,
    DeleteSchedule, DeleteScheduleInput, DeleteScheduleOutput, GetSchedule, GetScheduleInput,
    ListSchedules, ListSchedulesInput, ListSchedulesOutput, ScheduleState, UpdateSchedule,
    UpdateScheduleInput, UpdateScheduleOutput,
};
use haar_wire::AwsError;

use super::listing;
use crate::Scheduler;
use crate::delivery::SERVICE_PRINCIPAL;
use crate::lookup::{find_group, find_schedule, schedules};
use crate::refusal::{exists, invalid};
use crate::render;
use crate::rules::{target, times};
use crate::state::{GroupKey, ScheduleKey, ScheduleRow};

impl Command<CreateSchedule> for Scheduler {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateScheduleInput,
    ) -> Answer<CreateSchedule> {
        let group = GroupKey::own(call, input.group_name.as_deref());
        find_group(tx, &group)?;
        let key = ScheduleKey { group, name: input.name };
        if tx.contains::<ScheduleRow>(&key) {
            return Err(exists("Schedule", &key.name));
        }
        let row = ScheduleRow {
            key,
            expression: input.schedule_expression,
            timezone: input.schedule_expression_timezone,
            start: input.start_date,
            end: input.end_date,
            window: input.flexible_time_window,
            target: input.target,
            description: input.description,
            state: input.state.unwrap_or(ScheduleState::Enabled),
            kms_key: input.kms_key_arn,
            after_completion: input.action_after_completion.unwrap_or(ActionAfterCompletion::None),
            created_at: call.now,
            modified_at: call.now,
            runs_from: call.now,
        };
        times::check_start(row.start, call.now).map_err(invalid)?;
        self.check(call, tx, &row)?;
        let schedule_arn = row.key.arn();
        tx.put(row);
        Ok(CreateScheduleOutput { schedule_arn })
    }
}

impl Command<UpdateSchedule> for Scheduler {
    /// What is not given takes its usual value: an update is a replacement.
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateScheduleInput,
    ) -> Answer<UpdateSchedule> {
        let old = find_schedule(tx, call, input.group_name.as_deref(), &input.name)?;
        let mut row = ScheduleRow {
            key: old.key.clone(),
            expression: input.schedule_expression,
            timezone: input.schedule_expression_timezone,
            start: input.start_date,
            end: input.end_date,
            window: input.flexible_time_window,
            target: input.target,
            description: input.description,
            state: input.state.unwrap_or(ScheduleState::Enabled),
            kms_key: input.kms_key_arn,
            after_completion: input.action_after_completion.unwrap_or(ActionAfterCompletion::None),
            created_at: old.created_at,
            modified_at: call.now,
            runs_from: call.now,
        };
        if row.start != old.start {
            times::check_start(row.start, call.now).map_err(invalid)?;
        }
        self.check(call, tx, &row)?;
        let times = |row: &ScheduleRow| (row.expression.clone(), row.timezone.clone(), row.start);
        if old.state == ScheduleState::Enabled && times(&old) == times(&row) {
            row.runs_from = old.runs_from;
        }
        let schedule_arn = row.key.arn();
        tx.put(row);
        Ok(UpdateScheduleOutput { schedule_arn })
    }
}

impl Scheduler {
    /// Refuses what no schedule may be.
    fn check(&self, call: &Call, snapshot: &Snapshot, row: &ScheduleRow) -> Result<(), AwsError> {
        times::read(&row.expression, row.timezone.as_deref()).map_err(invalid)?;
        times::check(row.start, row.end, &row.window, call.now).map_err(invalid)?;
        let has = |service: &str, name: &str| self.doors.has_operation(service, name);
        target::check(&row.target, &has).map_err(invalid)?;
        let role_arn = &row.target.role_arn;
        check_pass_role(&self.doors, call, snapshot, role_arn, SERVICE_PRINCIPAL)?;
        let Some(iam) = self.doors.peeks.get::<dyn IamPeek>() else { return Ok(()) };
        let group = row.key.group.arn();
        let assumed = iam.service_may_assume(snapshot, role_arn, SERVICE_PRINCIPAL, &group);
        if self.doors.settings.auth == Auth::Enforce && assumed.is_err() {
            return Err(invalid(
                "The execution role you provide must allow AWS EventBridge Scheduler to assume \
                 the role.",
            ));
        }
        Ok(())
    }
}

impl Query<GetSchedule> for Scheduler {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetScheduleInput,
    ) -> Answer<GetSchedule> {
        let row = find_schedule(snapshot, call, input.group_name.as_deref(), &input.name)?;
        Ok(render::schedule(&row))
    }
}

impl Query<ListSchedules> for Scheduler {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListSchedulesInput,
    ) -> Answer<ListSchedules> {
        let listing = listing::<ListSchedules>(call, &input)?;
        if let Some(group) = &input.group_name {
            find_group(snapshot, &GroupKey::own(call, Some(group)))?;
        }
        let prefix = input.name_prefix.unwrap_or_default();
        let is_asked_for = |row: &ScheduleRow| {
            row.key.name.starts_with(&prefix)
                && input.group_name.as_ref().is_none_or(|group| row.key.group.name == *group)
                && input.state.is_none_or(|state| row.state == state)
        };
        let all = schedules(snapshot, call).filter(|row| is_asked_for(row));
        // Names hold no zero byte: texts are in the order of keys.
        let page = listing.page(all, |row| format!("{}\0{}", row.key.group.name, row.key.name));
        let schedules = page.items.iter().map(|row| render::summary(row)).collect();
        Ok(ListSchedulesOutput { next_token: page.next, schedules })
    }
}

impl Command<DeleteSchedule> for Scheduler {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteScheduleInput,
    ) -> Answer<DeleteSchedule> {
        let row = find_schedule(tx, call, input.group_name.as_deref(), &input.name)?;
        tx.remove::<ScheduleRow>(&row.key);
        Ok(DeleteScheduleOutput {})
    }
}
