//! Certificates of servers, with their keys.

use haar_ledger::Row;
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Named, Owned, owned};

/// A server's certificate. Writer: operations.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ServerCertificateRow {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `ASCA…`; never used again.
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) chain: Option<String>,
    /// Sealed for the id; no operation shows it.
    pub(crate) private_key: Vec<u8>,
    pub(crate) uploaded_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) tags: Tags,
}

impl std::fmt::Debug for ServerCertificateRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerCertificateRow({} of {})", self.name, self.account)
    }
}

impl Row for ServerCertificateRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.server_certificate";

    fn key(&self) -> Owned {
        owned(&self.account, &self.name)
    }
}

impl Named for ServerCertificateRow {
    const KIND: &'static str = "server-certificate";

    fn account(&self) -> &AccountId {
        &self.account
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn path(&self) -> &str {
        &self.path
    }
}
