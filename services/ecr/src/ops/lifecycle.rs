//! Lifecycle policies.

use haar_ecr_contract::model::{
    DeleteLifecyclePolicy, DeleteLifecyclePolicyRequest, DeleteLifecyclePolicyResponse,
    GetLifecyclePolicy, GetLifecyclePolicyRequest, GetLifecyclePolicyResponse, PutLifecyclePolicy,
    PutLifecyclePolicyRequest, PutLifecyclePolicyResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Ecr;
use crate::lookup::{find_repository, key_of};
use crate::refusal;
use crate::rules::lifecycle::Policy;
use crate::rules::policy_texts::lifecycle_text;
use crate::state::{LifecyclePolicy, RepositoryKey, RepositoryRow};

/// Reads a policy, or refuses it.
pub(crate) fn check_policy(text: &str) -> Result<Policy, AwsError> {
    Policy::parse(text).map_err(|why| {
        let text = format!("Lifecycle policy validation failure: {why}");
        refusal::constraint("LifecyclePolicyText", &text)
    })
}

/// A policy as it is kept, or its refusal.
pub(crate) fn kept(text: &str) -> Result<String, AwsError> {
    check_policy(text).map(|_| lifecycle_text(text))
}

/// No policy is set.
pub(crate) fn no_policy(key: &RepositoryKey) -> AwsError {
    refusal::nothing_set("LifecyclePolicyNotFoundException", "Lifecycle policy", key)
}

/// AWS docs: *Amazon ECR API Reference > PutLifecyclePolicy*.
impl Command<PutLifecyclePolicy> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutLifecyclePolicyRequest,
    ) -> Answer<PutLifecyclePolicy> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(tx, &key)?;
        let text = kept(&input.lifecycle_policy_text)?;
        let policy = LifecyclePolicy { text: text.clone(), evaluated_at: None };
        tx.update::<RepositoryRow>(&key, |row| row.settings.lifecycle = Some(policy));
        Ok(PutLifecyclePolicyResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            lifecycle_policy_text: Some(text),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > GetLifecyclePolicy*.
impl Query<GetLifecyclePolicy> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetLifecyclePolicyRequest,
    ) -> Answer<GetLifecyclePolicy> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        let row = find_repository(snapshot, &key)?;
        let policy = row.settings.lifecycle.clone().ok_or_else(|| no_policy(&key))?;
        Ok(GetLifecyclePolicyResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            lifecycle_policy_text: Some(policy.text),
            last_evaluated_at: policy.evaluated_at,
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > DeleteLifecyclePolicy*.
impl Command<DeleteLifecyclePolicy> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteLifecyclePolicyRequest,
    ) -> Answer<DeleteLifecyclePolicy> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        let row = find_repository(tx, &key)?;
        let policy = row.settings.lifecycle.clone().ok_or_else(|| no_policy(&key))?;
        tx.update::<RepositoryRow>(&key, |row| row.settings.lifecycle = None);
        Ok(DeleteLifecyclePolicyResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            lifecycle_policy_text: Some(policy.text),
            last_evaluated_at: policy.evaluated_at,
        })
    }
}
