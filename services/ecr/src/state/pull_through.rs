//! Pull-through cache rules.

use haar_ecr_contract::model::UpstreamRegistry;
use haar_ledger::Row;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::RegistryKey;

/// Names a rule or a template: by the prefix of the repositories that it is for.
pub(crate) type PrefixKey = (RegistryKey, String);

/// One rule. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PullThroughRow {
    pub(crate) key: PrefixKey,
    /// A host, on loopback also with `http://`.
    pub(crate) upstream_url: String,
    pub(crate) upstream: Option<UpstreamRegistry>,
    /// What stands before the repository's name at the upstream; `ROOT` is nothing.
    pub(crate) upstream_prefix: Option<String>,
    pub(crate) custom_role_arn: Option<String>,
    /// The secret that holds the upstream's login.
    #[serde(default)]
    pub(crate) credential_arn: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Row for PullThroughRow {
    type Key = PrefixKey;
    const TABLE: &'static str = "ecr.pull_through";

    fn key(&self) -> PrefixKey {
        self.key.clone()
    }
}
