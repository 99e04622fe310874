//! Templates of repositories that haar creates on its own.

use haar_ecr_contract::model::RCTAppliedFor;
use haar_ledger::Row;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PrefixKey, RepositorySettings};

/// One template. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TemplateRow {
    /// `ROOT` is for all repositories that no other prefix fits.
    pub(crate) key: PrefixKey,
    pub(crate) description: Option<String>,
    pub(crate) settings: RepositorySettings,
    pub(crate) applied_for: Vec<RCTAppliedFor>,
    pub(crate) custom_role_arn: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Row for TemplateRow {
    type Key = PrefixKey;
    const TABLE: &'static str = "ecr.template";

    fn key(&self) -> PrefixKey {
        self.key.clone()
    }
}
