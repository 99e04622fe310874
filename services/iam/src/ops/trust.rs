//! Trust policies: who may assume a role.

use haar_iam_contract::{
    UpdateAssumeRolePolicy, UpdateAssumeRolePolicyOutput, UpdateAssumeRolePolicyRequest,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::{Snapshot, Tx};
use haar_policy::{Document, Grammar};
use haar_types::{AccountId, Arn};
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::{find_own_role, role_of_arn};
use crate::principals::kept;
use crate::refusal::{malformed, quota};
use crate::rules::{TRUST_BYTES_MAX, policy_size};
use crate::state::{Named as _, RoleRow, UserRow, owned};

impl Command<UpdateAssumeRolePolicy> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateAssumeRolePolicyRequest,
    ) -> Answer<UpdateAssumeRolePolicy> {
        let role = find_own_role(tx, &call.account, &input.role_name)?;
        let trust = checked_trust(tx, &call.account, &input.policy_document)?;
        tx.put(RoleRow { trust, ..RoleRow::clone(&role) });
        Ok(UpdateAssumeRolePolicyOutput {})
    }
}

/// Refuses what IAM refuses in a trust policy: faults, size, users and roles of this account
/// that do not exist. Other accounts are not looked into. Answers the policy as it is kept.
pub(crate) fn checked_trust(
    snapshot: &Snapshot,
    account: &AccountId,
    text: &str,
) -> Result<String, AwsError> {
    let document = Document::parse(text, Grammar::Trust).map_err(malformed)?;
    if policy_size(text) > TRUST_BYTES_MAX {
        return Err(quota("ACLSizePerRole", TRUST_BYTES_MAX));
    }
    match document.aws_principals().find(|arn| !exists(snapshot, account, arn)) {
        Some(arn) => {
            Err(AwsError::from(haar_iam_contract::MalformedPolicyDocumentException::message(
                format!("Invalid principal in policy: \"AWS\":\"{arn}\""),
            )))
        }
        None => Ok(kept(snapshot, text)),
    }
}

fn exists(snapshot: &Snapshot, account: &AccountId, principal: &str) -> bool {
    let Ok(arn) = principal.parse::<Arn>() else { return true };
    if arn.account() != account.as_str() || arn.service() != "iam" {
        return true;
    }
    let name = arn.resource().rsplit('/').next().unwrap_or_default();
    match arn.resource().split_once('/') {
        Some(("user", _)) => {
            let user = snapshot.get::<UserRow>(&owned(account, name));
            user.is_some_and(|user| user.arn() == principal)
        }
        Some(("role", _)) => role_of_arn(snapshot, principal).is_some(),
        _ => true,
    }
}
