//! Parameters' values, for rooms that hand them to what they run.

use haar_ledger::Snapshot;
use haar_types::{AccountId, Region};

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// No such parameter.
    #[error("The parameter '{0}' does not exist")]
    NotFound(String),
    /// The parameter has no such version or label.
    #[error("The parameter '{0}' has no such version or label")]
    VersionNotFound(String),
    /// What was given names no parameter.
    #[error("'{0}' is not the name or ARN of a parameter")]
    Malformed(String),
}

/// Reads parameters.
pub trait SsmPeek: Send + Sync {
    /// A parameter's value in the clear, by name or ARN; both may end in `:version` or
    /// `:label`. A name is looked up in `account` and `region`, an ARN where it says.
    /// Authorising the reader is the caller's part.
    ///
    /// # Errors
    /// [`ParameterError`].
    fn value(
        &self,
        snapshot: &Snapshot,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<String, ParameterError>;
}
