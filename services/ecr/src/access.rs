//! What the gate must know of this room: ARNs, repository policies, condition keys.

use std::sync::Arc;

use haar_ecr_contract::model::SERVICE;
use haar_kernel::{Auth, Call, Question, Room, resource_of};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_wire::{AwsError, OperationSchema, ServiceSchema, Shape, text_member};

use crate::Ecr;
use crate::lookup::{key_of, repository_of_arn};
use crate::state::{RepositoryKey, RepositoryRow};

impl Room for Ecr {
    const SERVICE: &'static ServiceSchema = &SERVICE;

    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let named = text_member(input, "repositoryName")
            .filter(|_| operation.resource.contains("{repositoryName}"));
        let registry = text_member(input, "registryId");
        vec![match named {
            Some(name) => key_of(call, registry.as_ref(), &name).arn(),
            None => resource_of(operation, call, input),
        }]
    }

    fn resource_policy(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        policy_of(snapshot, &repository_of_arn(resource)?)
    }

    fn condition_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let resources = self.resources(call, snapshot, operation, input);
        let key = resources.first().and_then(|arn| repository_of_arn(arn));
        key.map(|key| tag_keys(snapshot, &key)).unwrap_or_default()
    }
}

impl Ecr {
    /// Refuses what no policy allows. In permissive mode everything is allowed.
    pub(crate) fn permit(
        &self,
        call: &Call,
        key: &RepositoryKey,
        action: &str,
    ) -> Result<(), AwsError> {
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let snapshot = self.doors.ledger.snapshot();
        let policy = policy_of(&snapshot, key);
        let (keys, resource) = (tag_keys(&snapshot, key), key.arn());
        self.doors.authorise(call, &Question { action, resource: &resource, policy, keys: &keys })
    }
}

/// The policy of a repository. Its statements are about the repository itself, so they name no
/// resource.
fn policy_of(snapshot: &Snapshot, key: &RepositoryKey) -> Option<Arc<Document>> {
    let row = snapshot.get::<RepositoryRow>(key)?;
    match Document::parse(row.settings.policy.as_deref()?, Grammar::Own) {
        Ok(document) => Some(Arc::new(document)),
        Err(error) => {
            tracing::error!(repository = key.name, %error, "a repository policy cannot be read");
            None
        }
    }
}

/// `aws:ResourceTag/KEY` and `ecr:ResourceTag/KEY`.
fn tag_keys(snapshot: &Snapshot, key: &RepositoryKey) -> Vec<(String, Vec<String>)> {
    let Some(row) = snapshot.get::<RepositoryRow>(key) else { return Vec::new() };
    let both = |(tag, value): (&String, &String)| {
        ["aws", "ecr"].map(|prefix| (format!("{prefix}:ResourceTag/{tag}"), vec![value.clone()]))
    };
    row.settings.tags.iter().flat_map(both).collect()
}
