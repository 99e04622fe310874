//! Resource-based policies of functions, per qualifier.

use haar_ledger::Row;
use serde::{Deserialize, Serialize};

use super::QualifiedKey;

/// The policy of a function, a version or an alias. Writer: operations. It has no revision of
/// its own: its revision is that of the version or alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionPolicyRow {
    /// Key.
    pub key: QualifiedKey,
    /// Never empty.
    pub statements: Vec<PolicyStatement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatement {
    /// `Sid`.
    pub sid: String,
    /// The whole statement as compact JSON.
    pub json: String,
}

impl Row for FunctionPolicyRow {
    type Key = QualifiedKey;
    const TABLE: &'static str = "lambda.function_policy";

    fn key(&self) -> QualifiedKey {
        self.key.clone()
    }
}
