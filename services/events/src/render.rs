//! Rows as the API shows them.

use haar_events_contract::model::{EventBus, Rule};

use crate::state::{BusRow, RuleRow};

pub(crate) fn bus(row: &BusRow) -> EventBus {
    let is_written = row.created_at.0 > 0;
    EventBus {
        name: Some(row.key.name.clone()),
        arn: Some(row.key.arn()),
        description: row.description.clone(),
        policy: row.policy.clone(),
        creation_time: Some(row.created_at).filter(|_| is_written),
        last_modified_time: Some(row.modified_at).filter(|_| is_written),
    }
}

pub(crate) fn rule(row: &RuleRow) -> Rule {
    Rule {
        name: Some(row.key.name.clone()),
        arn: Some(row.key.arn()),
        event_pattern: row.pattern.clone(),
        state: Some(row.state),
        description: row.description.clone(),
        schedule_expression: row.schedule.clone(),
        role_arn: row.role_arn.clone(),
        managed_by: None,
        event_bus_name: Some(row.key.bus.name.clone()),
    }
}
