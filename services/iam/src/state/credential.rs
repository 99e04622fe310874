//! What a user proves itself by, besides access keys. Rows name their user by its id, which a new
//! name does not change.

use std::sync::Arc;

use haar_ledger::{IndexEntry, Row, Snapshot};
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Named, Owned, owned};

/// The index by user, in all tables here.
const USER: &str = "user";

/// Rows of a user's.
pub(crate) trait OfUser: Row {
    /// Those of the user of that id.
    fn of_user(snapshot: &Snapshot, user: &str) -> Vec<Arc<Self>> {
        snapshot.by_index::<Self>(USER, user).collect()
    }
}

/// A virtual MFA device. Writer: operations, and STS when a code is taken.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct MfaRow {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) path: String,
    /// Its ARN, which is its serial number.
    pub(crate) id: String,
    /// Its seed, sealed for the ARN.
    pub(crate) seed: Vec<u8>,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
    /// Whose it is.
    pub(crate) holder: Option<MfaHolder>,
}

/// A device in use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MfaHolder {
    /// `AIDA…`.
    pub(crate) user: String,
    pub(crate) enabled_at: Timestamp,
    /// How many steps its clock is ahead of ours.
    pub(crate) drift: i64,
    /// The step of the last code that was taken.
    pub(crate) taken: i64,
}

impl std::fmt::Debug for MfaRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MfaRow({} of {:?})", self.id, self.holder)
    }
}

impl Row for MfaRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.mfa";

    fn key(&self) -> Owned {
        owned(&self.account, &self.name)
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        self.holder.iter().map(|holder| IndexEntry::new(USER, &holder.user)).collect()
    }
}

impl OfUser for MfaRow {}

impl Named for MfaRow {
    const KIND: &'static str = "mfa";

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

/// A user's console password and those before it. Writer: operations.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PasswordRow {
    /// Key: the user's id.
    pub(crate) user: String,
    pub(crate) salt: Vec<u8>,
    pub(crate) rounds: u32,
    /// Hashes, the present one first.
    pub(crate) hashes: Vec<Vec<u8>>,
    pub(crate) changed_at: Timestamp,
}

impl std::fmt::Debug for PasswordRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PasswordRow(of {})", self.user)
    }
}

impl Row for PasswordRow {
    type Key = String;
    const TABLE: &'static str = "iam.password";

    fn key(&self) -> String {
        self.user.clone()
    }
}

/// An SSH public key. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SshKeyRow {
    /// Key: `APKA…`.
    pub(crate) id: String,
    pub(crate) user: String,
    /// As it was uploaded.
    pub(crate) body: String,
    pub(crate) fingerprint: String,
    pub(crate) is_active: bool,
    pub(crate) uploaded_at: Timestamp,
}

impl Row for SshKeyRow {
    type Key = String;
    const TABLE: &'static str = "iam.ssh_key";

    fn key(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new(USER, &self.user)]
    }
}

impl OfUser for SshKeyRow {}

/// An X.509 signing certificate. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SigningCertificateRow {
    /// Key: the certificate's id.
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) body: String,
    pub(crate) is_active: bool,
    pub(crate) uploaded_at: Timestamp,
}

impl Row for SigningCertificateRow {
    type Key = String;
    const TABLE: &'static str = "iam.signing_certificate";

    fn key(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new(USER, &self.user)]
    }
}

impl OfUser for SigningCertificateRow {}

/// A credential that is good for one service. Writer: operations.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ServiceCredentialRow {
    /// Key: `ACCA…`.
    pub(crate) id: String,
    pub(crate) account: AccountId,
    pub(crate) user: String,
    /// `codecommit.amazonaws.com`.
    pub(crate) service: String,
    /// The name that it is used with.
    pub(crate) name: String,
    /// SHA-256 of the secret, which is drawn and long: nothing is guessed from it.
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) is_active: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for ServiceCredentialRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceCredentialRow({} of {})", self.id, self.user)
    }
}

impl Row for ServiceCredentialRow {
    type Key = String;
    const TABLE: &'static str = "iam.service_credential";

    fn key(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new(USER, &self.user)]
    }
}

impl OfUser for ServiceCredentialRow {}
