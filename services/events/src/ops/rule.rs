//! Rules.

use std::sync::Arc;

use haar_events_contract::model::{
    DeleteRule, DeleteRuleOutput, DeleteRuleRequest, DescribeRule, DescribeRuleRequest,
    DescribeRuleResponse, DisableRule, DisableRuleOutput, DisableRuleRequest, EnableRule,
    EnableRuleOutput, EnableRuleRequest, ListRules, ListRulesRequest, ListRulesResponse, PutRule,
    PutRuleRequest, PutRuleResponse, RuleState,
};
use haar_iam_contract::passing::check_pass_role;
use haar_kernel::{Answer, Call, Command, Query, Quota};
use haar_ledger::{Snapshot, Tx};
use haar_pattern::{Dialect, Pattern};
use haar_schedule::Schedule;
use haar_wire::AwsError;

use super::listing;
use super::tags::added;
use crate::Events;
use crate::delivery::SERVICE_PRINCIPAL;
use crate::lookup::{find_bus, find_rule, rules};
use crate::refusal::{bad_pattern, invalid, too_many};
use crate::render;
use crate::state::{RuleKey, RuleRow};

/// Rules of a bus. *Amazon EventBridge quotas*.
const RULES_MAX: usize = 300;
/// Of those the ones whose patterns have wildcards. *Amazon EventBridge quotas*.
const RULES_WITH_WILDCARDS_MAX: usize = 30;

/// Characters of a rule's pattern. *Amazon EventBridge quotas*.
pub(crate) const PATTERN_SIZE: Quota =
    Quota { service: "events", code: "L-664C5505", name: "Event pattern size", default: 2048 };

impl Command<PutRule> for Events {
    fn command(&self, call: &Call, tx: &mut Tx, input: PutRuleRequest) -> Answer<PutRule> {
        let bus = find_bus(tx, call, input.event_bus_name.as_deref())?.key.clone();
        let pattern = input.event_pattern.filter(|text| !text.is_empty());
        let schedule = input.schedule_expression.filter(|text| !text.is_empty());
        let limit = self.doors.settings.quotas.limit(&PATTERN_SIZE, &call.account, &call.region);
        if pattern.as_ref().is_some_and(|text| text.chars().count() as u64 > limit) {
            return Err(too_many());
        }
        check_cause(pattern.as_deref(), schedule.as_deref(), bus.is_default())?;
        if let Some(role_arn) = &input.role_arn {
            self.may_pass(call, tx, role_arn)?;
        }
        let key = RuleKey { bus, name: input.name };
        let old = tx.get::<RuleRow>(&key);
        if old.is_none() && rules(tx, &key.bus).count() >= RULES_MAX {
            return Err(too_many());
        }
        let has_one = |row: &Arc<RuleRow>| row.pattern.as_deref().is_some_and(has_wildcard);
        let is_one_more = !old.as_ref().is_some_and(has_one);
        if pattern.as_deref().is_some_and(has_wildcard)
            && is_one_more
            && rules(tx, &key.bus).filter(has_one).count() >= RULES_WITH_WILDCARDS_MAX
        {
            return Err(too_many());
        }
        let state = input.state.unwrap_or(RuleState::Enabled);
        let goes_on = old.as_ref().filter(|old| old.schedule == schedule && old.is_enabled());
        let row = RuleRow {
            schedule_from: goes_on.map_or(call.now, |old| old.schedule_from),
            key,
            pattern,
            schedule,
            state,
            description: input.description,
            role_arn: input.role_arn,
            created_by: old.as_ref().map_or(&call.account, |old| &old.created_by).clone(),
            // Tags of a rule that is there are changed by their own operations alone.
            tags: match &old {
                Some(old) => old.tags.clone(),
                None => added(Default::default(), input.tags)?,
            },
            targets: old.as_ref().map(|old| old.targets.clone()).unwrap_or_default(),
        };
        let rule_arn = Some(row.key.arn());
        tx.put(row);
        Ok(PutRuleResponse { rule_arn })
    }
}

fn has_wildcard(pattern: &str) -> bool {
    Pattern::compile(pattern, &Dialect::EVENT_BUS).is_ok_and(|pattern| pattern.has_wildcard())
}

/// What makes a rule send: a pattern, a schedule, or both.
fn check_cause(
    pattern: Option<&str>,
    schedule: Option<&str>,
    is_default: bool,
) -> Result<(), AwsError> {
    if pattern.is_none() && schedule.is_none() {
        return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
    }
    if let Some(pattern) = pattern {
        Pattern::compile(pattern, &Dialect::EVENT_BUS).map_err(bad_pattern)?;
    }
    let Some(schedule) = schedule else { return Ok(()) };
    if !is_default {
        return Err(invalid("ScheduleExpression is supported only on the default event bus."));
    }
    Schedule::of_rule(schedule)
        .map(drop)
        .map_err(|_| invalid("Parameter ScheduleExpression is not valid."))
}

impl Events {
    /// Whether the caller may hand a role to EventBridge.
    pub(super) fn may_pass(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        role_arn: &str,
    ) -> Result<(), AwsError> {
        check_pass_role(&self.doors, call, snapshot, role_arn, SERVICE_PRINCIPAL)
    }
}

impl Query<DescribeRule> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeRuleRequest,
    ) -> Answer<DescribeRule> {
        let row = find_rule(snapshot, call, input.event_bus_name.as_deref(), &input.name)?;
        Ok(DescribeRuleResponse {
            name: Some(row.key.name.clone()),
            arn: Some(row.key.arn()),
            event_pattern: row.pattern.clone(),
            schedule_expression: row.schedule.clone(),
            state: Some(row.state),
            description: row.description.clone(),
            role_arn: row.role_arn.clone(),
            managed_by: None,
            event_bus_name: Some(row.key.bus.name.clone()),
            created_by: Some(row.created_by.to_string()),
        })
    }
}

impl Query<ListRules> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListRulesRequest,
    ) -> Answer<ListRules> {
        let listing = listing::<ListRules>(call, &input)?;
        let bus = find_bus(snapshot, call, input.event_bus_name.as_deref())?.key.clone();
        let prefix = input.name_prefix.unwrap_or_default();
        let all = rules(snapshot, &bus).filter(|row| row.key.name.starts_with(&prefix));
        let page = listing.page(all, |row| row.key.name.clone());
        let rules = page.items.iter().map(|row| render::rule(row)).collect();
        Ok(ListRulesResponse { rules: Some(rules), next_token: page.next })
    }
}

impl Command<EnableRule> for Events {
    fn command(&self, call: &Call, tx: &mut Tx, input: EnableRuleRequest) -> Answer<EnableRule> {
        let row = find_rule(tx, call, input.event_bus_name.as_deref(), &input.name)?;
        if !row.is_enabled() {
            let mut row = RuleRow::clone(&row);
            row.state = RuleState::Enabled;
            row.schedule_from = call.now;
            tx.put(row);
        }
        Ok(EnableRuleOutput {})
    }
}

impl Command<DisableRule> for Events {
    fn command(&self, call: &Call, tx: &mut Tx, input: DisableRuleRequest) -> Answer<DisableRule> {
        let row = find_rule(tx, call, input.event_bus_name.as_deref(), &input.name)?;
        tx.put(RuleRow { state: RuleState::Disabled, ..RuleRow::clone(&row) });
        Ok(DisableRuleOutput {})
    }
}

impl Command<DeleteRule> for Events {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteRuleRequest) -> Answer<DeleteRule> {
        let bus = find_bus(tx, call, input.event_bus_name.as_deref())?.key.clone();
        let key = RuleKey { bus, name: input.name };
        // A rule that is not there is deleted already.
        if tx.get::<RuleRow>(&key).is_some_and(|row| !row.targets.is_empty()) {
            return Err(invalid("Rule can't be deleted since it has targets."));
        }
        tx.remove::<RuleRow>(&key);
        Ok(DeleteRuleOutput {})
    }
}
