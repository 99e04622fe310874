//! Registries: their policies, and what they are.

use haar_ecr_contract::model::{
    DeleteRegistryPolicy, DeleteRegistryPolicyRequest, DeleteRegistryPolicyResponse,
    DescribeRegistry, DescribeRegistryRequest, DescribeRegistryResponse, GetRegistryPolicy,
    GetRegistryPolicyRequest, GetRegistryPolicyResponse, PutRegistryPolicy,
    PutRegistryPolicyRequest, PutRegistryPolicyResponse, ReplicationConfiguration,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_policy::{Document, Grammar};

use crate::Ecr;
use crate::refusal;
use crate::rules::policy_texts::policy_text;
use crate::state::{RegistryKey, RegistryRow};

/// AWS docs: *Amazon ECR API Reference > DescribeRegistry*.
impl Query<DescribeRegistry> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _: DescribeRegistryRequest,
    ) -> Answer<DescribeRegistry> {
        let key = RegistryKey::of(call, None);
        let replication = key.row(snapshot).replication;
        let nothing = || ReplicationConfiguration { rules: Vec::new() };
        Ok(DescribeRegistryResponse {
            registry_id: Some(key.account.to_string()),
            replication_configuration: Some(replication.unwrap_or_else(nothing)),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > PutRegistryPolicy*.
impl Command<PutRegistryPolicy> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutRegistryPolicyRequest,
    ) -> Answer<PutRegistryPolicy> {
        Document::parse(&input.policy_text, Grammar::Resource).map_err(|error| {
            let text = format!("Invalid registry policy provided: {error}");
            refusal::constraint("PolicyText", &text)
        })?;
        let key = RegistryKey::of(call, None);
        let policy = Some(policy_text(&input.policy_text));
        tx.put(RegistryRow { policy: policy.clone(), ..key.row(tx) });
        Ok(PutRegistryPolicyResponse {
            registry_id: Some(key.account.to_string()),
            policy_text: policy,
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > GetRegistryPolicy*.
impl Query<GetRegistryPolicy> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _: GetRegistryPolicyRequest,
    ) -> Answer<GetRegistryPolicy> {
        let key = RegistryKey::of(call, None);
        let policy = key.row(snapshot).policy;
        let text = policy.ok_or_else(|| refusal::no_registry_policy(&key))?;
        Ok(GetRegistryPolicyResponse {
            registry_id: Some(key.account.to_string()),
            policy_text: Some(text),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > DeleteRegistryPolicy*.
impl Command<DeleteRegistryPolicy> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        _: DeleteRegistryPolicyRequest,
    ) -> Answer<DeleteRegistryPolicy> {
        let key = RegistryKey::of(call, None);
        let row = key.row(tx);
        let text = row.policy.clone().ok_or_else(|| refusal::no_registry_policy(&key))?;
        tx.put(RegistryRow { policy: None, ..row });
        Ok(DeleteRegistryPolicyResponse {
            registry_id: Some(key.account.to_string()),
            policy_text: Some(text),
        })
    }
}
