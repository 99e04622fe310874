//! Resource policies.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_secretsmanager_contract::{
    DeleteResourcePolicy, DeleteResourcePolicyRequest, DeleteResourcePolicyResponse,
    GetResourcePolicy, GetResourcePolicyRequest, GetResourcePolicyResponse, PutResourcePolicy,
    PutResourcePolicyRequest, PutResourcePolicyResponse, ValidateResourcePolicy,
    ValidateResourcePolicyRequest, ValidateResourcePolicyResponse, ValidationErrorsEntry,
};

use crate::SecretsManager;
use crate::lookup::{find_any, find_own};
use crate::rules::policy::{check, is_public};
use crate::state::SecretRow;

impl Command<PutResourcePolicy> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutResourcePolicyRequest,
    ) -> Answer<PutResourcePolicy> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        check(&input.resource_policy, input.block_public_policy == Some(true))?;
        row.policy = Some(input.resource_policy);
        let (arn, name) = (Some(row.arn.clone()), Some(row.key.2.clone()));
        tx.put(row);
        Ok(PutResourcePolicyResponse { arn, name })
    }
}

impl Query<GetResourcePolicy> for SecretsManager {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetResourcePolicyRequest,
    ) -> Answer<GetResourcePolicy> {
        let row = find_any(snapshot, call, &input.secret_id)?;
        Ok(GetResourcePolicyResponse {
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
            resource_policy: row.policy.clone(),
        })
    }
}

impl Command<DeleteResourcePolicy> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteResourcePolicyRequest,
    ) -> Answer<DeleteResourcePolicy> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        row.policy = None;
        let (arn, name) = (Some(row.arn.clone()), Some(row.key.2.clone()));
        tx.put(row);
        Ok(DeleteResourcePolicyResponse { arn, name })
    }
}

impl Query<ValidateResourcePolicy> for SecretsManager {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ValidateResourcePolicyRequest,
    ) -> Answer<ValidateResourcePolicy> {
        if let Some(id) = &input.secret_id {
            find_any(snapshot, call, id)?;
        }
        check(&input.resource_policy, false)?;
        let mut errors = Vec::new();
        if is_public(&input.resource_policy) {
            errors.push(ValidationErrorsEntry {
                check_name: Some("AllowPublicAccess".to_owned()),
                error_message: Some("The policy grants access to everybody.".to_owned()),
            });
        }
        Ok(ValidateResourcePolicyResponse {
            policy_validation_passed: Some(errors.is_empty()),
            validation_errors: Some(errors),
        })
    }
}
