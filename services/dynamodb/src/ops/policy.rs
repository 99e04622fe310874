//! Resource policies of tables.

use std::sync::Arc;

use haar_dynamodb_contract::{
    DeleteResourcePolicy, DeleteResourcePolicyInput, DeleteResourcePolicyOutput, GetResourcePolicy,
    GetResourcePolicyInput, GetResourcePolicyOutput, PolicyNotFoundException, PutResourcePolicy,
    PutResourcePolicyInput, PutResourcePolicyOutput,
};
use haar_kernel::{Answer, Call, Command, Query, Question, Room as _};
use haar_ledger::{Snapshot, Tx};
use haar_policy::{Document, Grammar};
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::lookup::find_by_arn;
use crate::refusal::invalid;
use crate::state::{Policy, TableRow};

/// Bytes of a policy at most.
const BYTES_MAX: usize = 20 * 1024;

/// The revision that a caller names who expects no policy.
const NO_POLICY: &str = "NO_POLICY";

fn no_policy(arn: &str) -> AwsError {
    let text = format!(
        "Resource-based policy not found for the provided ResourceArn: Requested policy not found \
         for resource: {arn}"
    );
    PolicyNotFoundException::message(text).into()
}

/// Refuses what is no policy of a resource.
pub(super) fn check(text: &str) -> Result<Document, AwsError> {
    if text.len() > BYTES_MAX {
        return Err(invalid(format!(
            "The provided policy exceeds the maximum size of {BYTES_MAX} bytes"
        )));
    }
    let parsed = Document::parse(text, Grammar::Resource);
    parsed.map_err(|error| invalid(format!("Invalid policy document: {error}")))
}

/// Refuses a revision that is not the policy's.
fn check_revision(row: &TableRow, expected: Option<&str>) -> Result<(), AwsError> {
    let known = row.policy.as_ref().map_or(NO_POLICY, |policy| policy.revision.as_str());
    match expected {
        Some(expected) if expected != known => {
            let text = format!(
                "Resource-based policy not found for the provided ResourceArn: the revision ID \
                 {expected} does not match the current one"
            );
            Err(PolicyNotFoundException::message(text).into())
        }
        _ => Ok(()),
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > PutResourcePolicy*.
impl Command<PutResourcePolicy> for Dynamodb {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutResourcePolicyInput,
    ) -> Answer<PutResourcePolicy> {
        let mut row = TableRow::clone(&*find_by_arn(tx, &input.resource_arn)?);
        check_revision(&row, input.expected_revision_id.as_deref())?;
        let document = check(&input.policy)?;
        if input.confirm_remove_self_resource_access != Some(true) {
            self.check_keeps_in(call, tx, &input.resource_arn, document)?;
        }
        let same = row.policy.as_ref().filter(|policy| policy.document == input.policy);
        let revision = match same {
            Some(policy) => policy.revision.clone(),
            None => format!("{}{}", call.now.0, call.ids.of(b"0123456789", 6)),
        };
        row.policy = Some(Policy { document: input.policy, revision: revision.clone() });
        tx.put(row);
        Ok(PutResourcePolicyOutput { revision_id: Some(revision) })
    }
}

impl Dynamodb {
    /// Refuses a policy that would keep its own writer from the next change of it. The words are
    /// *ours*.
    fn check_keeps_in(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        resource: &str,
        document: Document,
    ) -> Result<(), AwsError> {
        let keys = self.resource_keys(call, snapshot, resource);
        let policy = Some(Arc::new(document));
        let question =
            Question { action: "dynamodb:PutResourcePolicy", resource, policy, keys: &keys };
        self.doors.authorise(call, &question).map_err(|_| {
            invalid(
                "The policy would not allow its own change by the caller: \
                 ConfirmRemoveSelfResourceAccess must be set for that.",
            )
        })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > GetResourcePolicy*.
impl Query<GetResourcePolicy> for Dynamodb {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: GetResourcePolicyInput,
    ) -> Answer<GetResourcePolicy> {
        let row = find_by_arn(snapshot, &input.resource_arn)?;
        let policy = row.policy.clone().ok_or_else(|| no_policy(&input.resource_arn))?;
        Ok(GetResourcePolicyOutput {
            policy: Some(policy.document),
            revision_id: Some(policy.revision),
        })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > DeleteResourcePolicy*.
impl Command<DeleteResourcePolicy> for Dynamodb {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: DeleteResourcePolicyInput,
    ) -> Answer<DeleteResourcePolicy> {
        let mut row = TableRow::clone(&*find_by_arn(tx, &input.resource_arn)?);
        if row.policy.is_some() {
            check_revision(&row, input.expected_revision_id.as_deref())?;
        }
        let revision = row.policy.take().map(|policy| policy.revision);
        tx.put(row);
        Ok(DeleteResourcePolicyOutput { revision_id: revision })
    }
}
