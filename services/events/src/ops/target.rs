//! Targets of rules.

use haar_events_contract::model::{
    ListRuleNamesByTarget, ListRuleNamesByTargetRequest, ListRuleNamesByTargetResponse,
    ListTargetsByRule, ListTargetsByRuleRequest, ListTargetsByRuleResponse, PutTargets,
    PutTargetsRequest, PutTargetsResponse, RemoveTargets, RemoveTargetsRequest,
    RemoveTargetsResponse, RemoveTargetsResultEntry,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use super::listing;
use crate::Events;
use crate::lookup::{find_bus, find_rule, rules};
use crate::refusal::{invalid, too_many};
use crate::rules::target::{TARGETS_MAX, check};
use crate::state::RuleRow;

impl Command<PutTargets> for Events {
    fn command(&self, call: &Call, tx: &mut Tx, input: PutTargetsRequest) -> Answer<PutTargets> {
        let row = find_rule(tx, call, input.event_bus_name.as_deref(), &input.rule)?;
        let mut row = RuleRow::clone(&row);
        for target in input.targets {
            check(&target, row.role_arn.as_deref()).map_err(invalid)?;
            if let Some(role_arn) = &target.role_arn {
                self.may_pass(call, tx, role_arn)?;
            }
            row.targets.retain(|old| old.id != target.id);
            row.targets.push(target);
        }
        if row.targets.len() > TARGETS_MAX {
            return Err(too_many());
        }
        row.targets.sort_by(|one, other| one.id.cmp(&other.id));
        tx.put(row);
        let failed_entries = Some(Vec::new());
        Ok(PutTargetsResponse { failed_entry_count: Some(0), failed_entries })
    }
}

impl Command<RemoveTargets> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemoveTargetsRequest,
    ) -> Answer<RemoveTargets> {
        let row = find_rule(tx, call, input.event_bus_name.as_deref(), &input.rule)?;
        let mut row = RuleRow::clone(&row);
        let mut failed_entries = Vec::new();
        for id in input.ids {
            let before = row.targets.len();
            row.targets.retain(|target| target.id != id);
            if row.targets.len() == before {
                let text =
                    format!("Rule {} does not have a target with the Id {id}.", row.key.name);
                failed_entries.push(RemoveTargetsResultEntry {
                    target_id: Some(id),
                    error_code: Some("ResourceNotFoundException".to_owned()),
                    error_message: Some(text),
                });
            }
        }
        tx.put(row);
        Ok(RemoveTargetsResponse {
            failed_entry_count: i32::try_from(failed_entries.len()).ok(),
            failed_entries: Some(failed_entries),
        })
    }
}

impl Query<ListTargetsByRule> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListTargetsByRuleRequest,
    ) -> Answer<ListTargetsByRule> {
        let listing = listing::<ListTargetsByRule>(call, &input)?;
        let row = find_rule(snapshot, call, input.event_bus_name.as_deref(), &input.rule)?;
        let page = listing.page(row.targets.iter().cloned(), |target| target.id.clone());
        Ok(ListTargetsByRuleResponse { targets: Some(page.items), next_token: page.next })
    }
}

impl Query<ListRuleNamesByTarget> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListRuleNamesByTargetRequest,
    ) -> Answer<ListRuleNamesByTarget> {
        let listing = listing::<ListRuleNamesByTarget>(call, &input)?;
        let bus = find_bus(snapshot, call, input.event_bus_name.as_deref())?.key.clone();
        let has = |row: &RuleRow| row.targets.iter().any(|target| target.arn == input.target_arn);
        let names = rules(snapshot, &bus).filter(|row| has(row)).map(|row| row.key.name.clone());
        let page = listing.page(names, String::clone);
        Ok(ListRuleNamesByTargetResponse { rule_names: Some(page.items), next_token: page.next })
    }
}
