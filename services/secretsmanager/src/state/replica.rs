//! Replicas: rows in other regions that `controllers::replicas` keeps like their primary's.

use haar_types::{Arn, Region};
use serde::{Deserialize, Serialize};

use super::SecretRow;

/// A region that a secret is replicated to, as its primary knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replica {
    /// Kept and shown.
    pub(crate) kms_key_id: Option<String>,
    /// A secret of the same name there gives way.
    pub(crate) overwrites: bool,
    pub(crate) state: ReplicaState,
}

/// How far a replica is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReplicaState {
    /// Not made yet.
    InProgress,
    /// Made; it follows its primary.
    InSync,
    /// It could not be made, for this reason.
    Failed(String),
}

/// The ARN of a secret's replica: its own, in another region.
pub(crate) fn replica_arn(primary: &SecretRow, region: &Region) -> String {
    let resource = primary.arn.parse::<Arn>().map(|arn| arn.resource().to_owned());
    format!("arn:aws:secretsmanager:{region}:{}:{}", primary.key.0, resource.unwrap_or_default())
}

/// The row that a replica shall have. What is the region's own stays: when it was read, with
/// which key it is sealed. AWS docs: *Secrets Manager User Guide > Replicate AWS Secrets Manager
/// secrets across Regions*.
pub(crate) fn derived(
    primary: &SecretRow,
    (region, replica): (&Region, &Replica),
    there: Option<&SecretRow>,
) -> SecretRow {
    SecretRow {
        key: (primary.key.0.clone(), region.clone(), primary.key.2.clone()),
        arn: replica_arn(primary, region),
        description: primary.description.clone(),
        kms_key_id: replica.kms_key_id.clone(),
        created_at: primary.created_at,
        changed_at: primary.changed_at,
        accessed_at: there.and_then(|row| row.accessed_at),
        deleted: None,
        stages: primary.stages.clone(),
        policy: primary.policy.clone(),
        tags: primary.tags.clone(),
        rotation: None,
        replicas: Default::default(),
        primary: Some(primary.key.1.clone()),
    }
}
