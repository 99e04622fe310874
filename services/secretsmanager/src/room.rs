//! The room: its doors, its key, what the gate must know of its resources.

use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Call, DataKey, Doors, Room, request_tags};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_secretsmanager_contract::model::SERVICE;
use haar_secretsmanager_contract::peek::SecretsPeek;
use haar_wire::{Json, OperationSchema, ServiceSchema, Shape, text_member};

use crate::lookup::get;
use crate::peek::Peek;
use crate::state::SecretRow;

/// The room.
pub struct SecretsManager {
    pub(crate) doors: Doors,
    pub(crate) key: DataKey,
}

impl SecretsManager {
    /// Opens the room and offers its [`SecretsPeek`] to the others.
    pub fn new(doors: &Doors, key: DataKey) -> Self {
        doors.peeks.offer::<dyn SecretsPeek>(Arc::new(Peek { key: key.clone() }));
        Self { doors: doors.clone(), key }
    }
}

fn named(call: &Call, snapshot: &Snapshot, input: &dyn Shape) -> Option<Arc<SecretRow>> {
    let text = text_member(input, "SecretId")?;
    get(snapshot, &call.account, &call.region, &text)
}

impl Room for SecretsManager {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    /// Tokens are versions' ids here: a version that is there tells of them, and nothing else.
    fn token_lifetime(&self, _operation: &'static OperationSchema) -> Option<Duration> {
        None
    }

    /// The ARN of the secret that a call names, or what it would begin with.
    fn resources(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        if let Some(row) = named(call, snapshot, input) {
            return vec![row.arn.clone()];
        }
        let name = text_member(input, "SecretId").or_else(|| text_member(input, "Name"));
        let arn = match name {
            Some(arn) if arn.starts_with("arn:") => arn,
            Some(name) => {
                format!("arn:aws:secretsmanager:{}:{}:secret:{name}", call.region, call.account)
            }
            None => "*".to_owned(),
        };
        vec![arn]
    }

    fn resource_policy(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        let row = snapshot.by_index::<SecretRow>("arn", resource).next()?;
        let document = Document::parse(row.policy.as_ref()?, Grammar::Resource);
        if let Err(error) = &document {
            tracing::error!(%error, "a secret's policy cannot be read");
        }
        document.ok().map(Arc::new)
    }

    fn condition_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let mut keys = Vec::new();
        let members = [
            ("Name", "secretsmanager:Name"),
            ("Description", "secretsmanager:Description"),
            ("KmsKeyId", "secretsmanager:KmsKeyId"),
            ("VersionId", "secretsmanager:VersionId"),
            ("VersionStage", "secretsmanager:VersionStage"),
            ("BlockPublicPolicy", "secretsmanager:BlockPublicPolicy"),
            ("RecoveryWindowInDays", "secretsmanager:RecoveryWindowInDays"),
            ("ForceDeleteWithoutRecovery", "secretsmanager:ForceDeleteWithoutRecovery"),
            ("ForceOverwriteReplicaSecret", "secretsmanager:ForceOverwriteReplicaSecret"),
        ];
        for (member, key) in members {
            keys.extend(text_member(input, member).map(|value| (key.to_owned(), vec![value])));
        }
        if let Some(row) = named(call, snapshot, input) {
            keys.push(("secretsmanager:SecretId".to_owned(), vec![row.arn.clone()]));
            for (key, value) in &row.tags {
                for stem in ["aws:ResourceTag", "secretsmanager:ResourceTag"] {
                    keys.push((format!("{stem}/{key}"), vec![value.clone()]));
                }
            }
        }
        let json = haar_wire::to_json(input);
        let regions = json["AddReplicaRegions"].as_array().into_iter().flatten();
        let regions: Vec<_> =
            regions.filter_map(|wanted| wanted["Region"].as_str().map(str::to_owned)).collect();
        if !regions.is_empty() {
            keys.push(("secretsmanager:AddReplicaRegions".to_owned(), regions));
        }
        keys.extend(request_tags(&json["Tags"], &Json::Null));
        keys
    }
}
