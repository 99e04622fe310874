//! Who may use a repository.

use haar_ecr_contract::model::{
    DeleteRepositoryPolicy, DeleteRepositoryPolicyRequest, DeleteRepositoryPolicyResponse,
    GetRepositoryPolicy, GetRepositoryPolicyRequest, GetRepositoryPolicyResponse,
    SetRepositoryPolicy, SetRepositoryPolicyRequest, SetRepositoryPolicyResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_policy::{Document, Grammar};
use haar_wire::AwsError;

use crate::Ecr;
use crate::lookup::{find_repository, key_of};
use crate::refusal;
use crate::rules::policy_texts::policy_text;
use crate::state::{RepositoryKey, RepositoryRow};

/// A repository's policy as it is kept, or its refusal. Its statements name no resources.
pub(crate) fn kept(text: &str, name: &str) -> Result<String, AwsError> {
    let parsed = Document::parse(text, Grammar::Own);
    parsed.map(|_| policy_text(text)).map_err(|error| {
        tracing::debug!(%error, "a policy was refused"); // AWS does not say why either
        refusal::constraint(name, "Invalid repository policy provided")
    })
}

fn no_policy(key: &RepositoryKey) -> AwsError {
    refusal::nothing_set("RepositoryPolicyNotFoundException", "Repository policy", key)
}

/// AWS docs: *Amazon ECR API Reference > SetRepositoryPolicy*.
impl Command<SetRepositoryPolicy> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: SetRepositoryPolicyRequest,
    ) -> Answer<SetRepositoryPolicy> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(tx, &key)?;
        let text = kept(&input.policy_text, "PolicyText")?;
        tx.update::<RepositoryRow>(&key, |row| row.settings.policy = Some(text.clone()));
        Ok(SetRepositoryPolicyResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            policy_text: Some(text),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > GetRepositoryPolicy*.
impl Query<GetRepositoryPolicy> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetRepositoryPolicyRequest,
    ) -> Answer<GetRepositoryPolicy> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        let row = find_repository(snapshot, &key)?;
        let text = row.settings.policy.clone().ok_or_else(|| no_policy(&key))?;
        Ok(GetRepositoryPolicyResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            policy_text: Some(text),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > DeleteRepositoryPolicy*.
impl Command<DeleteRepositoryPolicy> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteRepositoryPolicyRequest,
    ) -> Answer<DeleteRepositoryPolicy> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        let row = find_repository(tx, &key)?;
        let text = row.settings.policy.clone().ok_or_else(|| no_policy(&key))?;
        tx.update::<RepositoryRow>(&key, |row| row.settings.policy = None);
        Ok(DeleteRepositoryPolicyResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            policy_text: Some(text),
        })
    }
}
