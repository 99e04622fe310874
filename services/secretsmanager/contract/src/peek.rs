//! Secrets' values, for rooms that hand them to what they run.

use haar_ledger::Snapshot;
use haar_types::{AccountId, Region, Timestamp};

/// A secret's value.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(***)")
    }
}

/// One version of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    /// The secret's ARN.
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version's id.
    pub version_id: String,
    /// The version's stages.
    pub stages: Vec<String>,
    /// When the version was made.
    pub created_at: Timestamp,
    /// What it holds.
    pub value: SecretValue,
}

/// Why there is no value; the words are AWS's where AWS has words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No such secret.
    #[error("Secrets Manager can't find the specified secret.")]
    NotFound(String),
    /// The secret has no such version.
    #[error("Secrets Manager can't find the specified secret value for {0}")]
    VersionNotFound(String),
    /// The secret waits to be deleted.
    #[error("You can't perform this operation on the secret because it was marked for deletion.")]
    Deleted(String),
    /// The secret is no JSON object, or has no such key.
    #[error("retrieved secret from Secrets Manager did not contain json key {0}")]
    KeyNotFound(String),
    /// What was given names no secret.
    #[error("'{0}' is not the name or ARN of a secret")]
    Malformed(String),
}

/// Reads secrets. Authorising the reader is the caller's part.
pub trait SecretsPeek: Send + Sync {
    /// One version of a secret, by the secret's name or ARN; without version and stage, the
    /// one that is `AWSCURRENT`.
    ///
    /// # Errors
    /// [`SecretError`].
    fn version(
        &self,
        snapshot: &Snapshot,
        place: (&AccountId, &Region),
        secret: &str,
        version_id: Option<&str>,
        stage: Option<&str>,
    ) -> Result<SecretVersion, SecretError>;

    /// What a container's `valueFrom` stands for: an ARN, alone or followed by
    /// `:json-key:version-stage:version-id`, of which each may be empty.
    ///
    /// # Errors
    /// [`SecretError`].
    fn value_from(
        &self,
        snapshot: &Snapshot,
        place: (&AccountId, &Region),
        value_from: &str,
    ) -> Result<String, SecretError>;
}
