//! Providers of other identities.

use haar_ledger::Row;
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Owned, owned};

/// An OpenID Connect provider. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OidcRow {
    pub(crate) account: AccountId,
    /// Its issuer without the scheme: `host/path`. Case counts in the path.
    pub(crate) issuer: String,
    /// Its ARN.
    pub(crate) id: String,
    /// As it was registered, with its scheme.
    pub(crate) url: String,
    /// For whom its tokens may be made out.
    pub(crate) client_ids: Vec<String>,
    /// SHA-1 of its authority's certificates, in hex.
    pub(crate) thumbprints: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
}

impl Row for OidcRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.oidc_provider";

    fn key(&self) -> Owned {
        (self.account.clone(), self.issuer.clone())
    }
}

/// A SAML provider. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SamlRow {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    /// Its ARN.
    pub(crate) id: String,
    pub(crate) uuid: String,
    pub(crate) metadata: String,
    pub(crate) created_at: Timestamp,
    pub(crate) valid_until: Timestamp,
    pub(crate) tags: Tags,
    /// Whether assertions must be encrypted; nothing where nobody said.
    pub(crate) encryption_is_required: Option<bool>,
    /// Keys that assertions are opened with.
    pub(crate) keys: Vec<SamlKey>,
}

/// A key that assertions are opened with.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SamlKey {
    pub(crate) id: String,
    /// Sealed for the id.
    pub(crate) sealed: Vec<u8>,
    pub(crate) added_at: Timestamp,
}

impl std::fmt::Debug for SamlKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SamlKey({})", self.id)
    }
}

impl Row for SamlRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.saml_provider";

    fn key(&self) -> Owned {
        owned(&self.account, &self.name)
    }
}
