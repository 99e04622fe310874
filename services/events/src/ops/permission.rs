//! The policy of a bus.

use haar_events_contract::model::{
    PutPermission, PutPermissionOutput, PutPermissionRequest, RemovePermission,
    RemovePermissionOutput, RemovePermissionRequest,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_policy::{Document, Grammar};
use haar_wire::AwsError;

use super::bus::touch;
use crate::Events;
use crate::lookup::find_bus;
use crate::refusal::{invalid, not_found};
use crate::rules::policy::{POLICY_LENGTH_MAX, statement, with, without};
use crate::state::BusRow;

impl Command<PutPermission> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutPermissionRequest,
    ) -> Answer<PutPermission> {
        let mut row = BusRow::clone(&*find_bus(tx, call, input.event_bus_name.as_deref())?);
        let policy = changed(&row, &input)?;
        if policy.len() > POLICY_LENGTH_MAX {
            let text = "The policy of the event bus is too long.";
            return Err(AwsError::new("PolicyLengthExceededException", 400, text));
        }
        row.policy = Some(policy);
        touch(&mut row, call);
        tx.put(row);
        Ok(PutPermissionOutput {})
    }
}

fn changed(row: &BusRow, input: &PutPermissionRequest) -> Result<String, AwsError> {
    let has_parts = input.action.is_some()
        || input.principal.is_some()
        || input.statement_id.is_some()
        || input.condition.is_some();
    match (&input.policy, has_parts) {
        (Some(_), true) => Err(invalid(
            "Parameter Policy can't be combined with Action, Principal, StatementId or Condition.",
        )),
        (Some(policy), false) => {
            let read = Document::parse(policy, Grammar::Resource);
            read.map_err(|error| invalid(format!("Policy is not valid. Reason: {error}")))?;
            Ok(policy.clone())
        }
        (None, _) => {
            let (Some(action), Some(principal), Some(sid)) =
                (&input.action, &input.principal, &input.statement_id)
            else {
                return Err(invalid(
                    "Parameter(s) Action, Principal and StatementId must be specified.",
                ));
            };
            if action != "events:PutEvents" {
                return Err(invalid("Provided value in parameter 'action' is not supported."));
            }
            let condition = input.condition.as_ref();
            let statement = statement(sid, principal, action, condition, &row.key.arn());
            Ok(with(row.policy.as_deref(), statement))
        }
    }
}

impl Command<RemovePermission> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemovePermissionRequest,
    ) -> Answer<RemovePermission> {
        let mut row = BusRow::clone(&*find_bus(tx, call, input.event_bus_name.as_deref())?);
        let missing = || not_found("Statement with the provided id does not exist.");
        row.policy = match (&input.statement_id, input.remove_all_permissions) {
            (None, Some(true)) => None,
            (None, _) => {
                return Err(invalid("Parameter StatementId must be specified."));
            }
            (Some(_), _) if row.policy.is_none() => {
                return Err(not_found("EventBus does not have a policy."));
            }
            (Some(sid), _) => without(row.policy.as_deref(), sid).ok_or_else(missing)?,
        };
        touch(&mut row, call);
        tx.put(row);
        Ok(RemovePermissionOutput {})
    }
}
