//! What the gate must know of this room: ARNs, repository policies, condition keys.

use std::sync::Arc;

use haar_ecr_contract::model::SERVICE;
use haar_kernel::{Auth, Call, Question, Room, request_tags, resource_of};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_wire::{AwsError, OperationSchema, ServiceSchema, Shape, json_member, text_member};

use crate::Ecr;
use crate::lookup::repository_of_arn;
use crate::state::{RegistryKey, RepositoryKey, RepositoryRow};

impl Room for Ecr {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let registry = text_member(input, "registryId");
        let key = RegistryKey::of(call, registry.as_deref());
        if operation.resource.contains("{repositoryName") {
            return names(input).iter().map(|name| key.repository(name).arn()).collect();
        }
        vec![match key.account == call.account {
            true => resource_of(operation, call, input),
            // Whose it is must show, or it would pass for the caller's own.
            false => key.repository("*").arn(),
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
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        request_tags(&json_member(input, "tags"), &json_member(input, "tagKeys"))
    }

    fn resource_keys(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let key = repository_of_arn(resource);
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
        self.weigh(call, key, action, policy_of)
    }

    /// Refuses an import from an upstream that no policy allows: the caller's, the registry's, or
    /// the repository's. A repository that is not there yet must be the caller's to create. AWS
    /// docs: *Amazon ECR User Guide > IAM permissions required to sync an upstream registry*.
    pub(crate) fn permit_import(&self, call: &Call, key: &RepositoryKey) -> Result<(), AwsError> {
        self.weigh(call, key, "ecr:BatchImportUpstreamImage", both_policies)?;
        match self.doors.ledger.snapshot().contains::<RepositoryRow>(key) {
            true => Ok(()),
            false => self.weigh(call, key, "ecr:CreateRepository", both_policies),
        }
    }

    fn weigh(
        &self,
        call: &Call,
        key: &RepositoryKey,
        action: &str,
        policy: impl Fn(&Snapshot, &RepositoryKey) -> Option<Arc<Document>>,
    ) -> Result<(), AwsError> {
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let snapshot = self.doors.ledger.snapshot();
        let policy = policy(&snapshot, key);
        let (keys, resource) = (tag_keys(&snapshot, key), key.arn());
        self.doors.authorise(call, &Question { action, resource: &resource, policy, keys: &keys })
    }
}

/// The repositories that a request names; without names it is about all.
fn names(input: &dyn Shape) -> Vec<String> {
    let listed = json_member(input, "repositoryNames");
    let listed = listed.as_array().into_iter().flatten().filter_map(|name| name.as_str());
    let mut names: Vec<_> = listed.map(str::to_owned).collect();
    names.extend(text_member(input, "repositoryName"));
    if names.is_empty() {
        names.push("*".to_owned());
    }
    names
}

/// A repository's policy and its registry's.
fn both_policies(snapshot: &Snapshot, key: &RepositoryKey) -> Option<Arc<Document>> {
    let own = policy_of(snapshot, key);
    let Some(text) = key.registry.row(snapshot).policy else { return own };
    match Document::parse(&text, Grammar::Resource) {
        Ok(registry) => Some(Arc::new(match own {
            Some(own) => registry.and((*own).clone()),
            None => registry,
        })),
        Err(error) => {
            tracing::error!(account = %key.registry.account, %error, "a registry policy cannot be read");
            own
        }
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
