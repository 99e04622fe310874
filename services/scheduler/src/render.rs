//! Rows as the API shows them.

use haar_scheduler_contract::model::{
    GetScheduleOutput, ScheduleGroupState, ScheduleGroupSummary, ScheduleSummary, TargetSummary,
};
use haar_types::Timestamp;

use crate::state::{GroupRow, ScheduleRow};

pub(crate) fn schedule(row: &ScheduleRow) -> GetScheduleOutput {
    GetScheduleOutput {
        action_after_completion: Some(row.after_completion),
        arn: Some(row.key.arn()),
        creation_date: Some(row.created_at),
        description: row.description.clone(),
        end_date: row.end,
        flexible_time_window: Some(row.window.clone()),
        group_name: Some(row.key.group.name.clone()),
        kms_key_arn: row.kms_key.clone(),
        last_modification_date: Some(row.modified_at),
        name: Some(row.key.name.clone()),
        schedule_expression: Some(row.expression.clone()),
        schedule_expression_timezone: Some(row.timezone.clone().unwrap_or_else(|| "UTC".into())),
        start_date: row.start,
        state: Some(row.state),
        target: Some(row.target.clone()),
    }
}

pub(crate) fn summary(row: &ScheduleRow) -> ScheduleSummary {
    ScheduleSummary {
        arn: Some(row.key.arn()),
        creation_date: Some(row.created_at),
        group_name: Some(row.key.group.name.clone()),
        last_modification_date: Some(row.modified_at),
        name: Some(row.key.name.clone()),
        state: Some(row.state),
        target: Some(TargetSummary { arn: row.target.arn.clone() }),
    }
}

pub(crate) fn group(row: &GroupRow) -> ScheduleGroupSummary {
    let shown = |at: Timestamp| Some(at).filter(|at| at.0 > 0);
    ScheduleGroupSummary {
        arn: Some(row.key.arn()),
        creation_date: shown(row.created_at),
        last_modification_date: shown(row.modified_at),
        name: Some(row.key.name.clone()),
        state: Some(ScheduleGroupState::Active),
    }
}
