//! The door to who a caller is and what its policies say.

use std::sync::Arc;

use haar_clock::Ids;
use haar_ledger::Snapshot;
use haar_policy::PolicySet;
use haar_types::{AccountId, Region, Timestamp};

use crate::Principal;

/// Knows access keys and policies; iam's room stands behind it.
pub trait Identities: Send + Sync + 'static {
    /// Finds whose an access key is. For temporary keys the session token decides.
    ///
    /// # Errors
    /// [`IdentityError`], which the gate turns into AWS's words.
    fn identify(
        &self,
        snapshot: &Snapshot,
        access_key_id: &str,
        session_token: Option<&str>,
        now: Timestamp,
    ) -> Result<Identity, IdentityError>;

    /// Whether what a caller signed with is good for a service: some sessions are not for IAM.
    /// Where policies decide, the gate refuses others like unknown keys.
    fn is_good_for(&self, _principal: &Principal, _service: &str) -> bool {
        true
    }

    /// All policies that speak of what a principal may do: its own, its groups', its
    /// boundary, its session's. Resource policies are not among them.
    fn policies(&self, snapshot: &Snapshot, principal: &Principal) -> PolicySet;

    /// Seals what is known of a denial, so that `DecodeAuthorizationMessage` alone can read it;
    /// `None` where nobody can.
    fn seal_denial(&self, _ids: &Ids, _account: &AccountId, _details: &str) -> Option<String> {
        None
    }

    /// Notes that a principal asked for an action, allowed or not, where policies decide. Must not
    /// block.
    fn asked(&self, _principal: &Principal, _action: &str, _region: &Region, _at: Timestamp) {}

    /// Notes that a key was used, for `GetAccessKeyLastUsed`. Must not block.
    fn used(&self, _access_key_id: &str, _service: &str, _region: &str, _at: Timestamp) {}
}

/// A key's owner and its secret.
pub struct Identity {
    /// Who.
    pub principal: Arc<Principal>,
    /// What it signs with.
    pub secret: String,
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// There is no such key, or it was switched off.
    Unknown,
    /// The session token is not one of ours, or belongs to another key.
    BadToken,
    /// The session has ended.
    Expired,
}

/// Knows nobody: in permissive mode every key is its account's root.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoIdentities;

impl Identities for NoIdentities {
    fn identify(
        &self,
        _snapshot: &Snapshot,
        _access_key_id: &str,
        _session_token: Option<&str>,
        _now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        Err(IdentityError::Unknown)
    }

    fn policies(&self, _snapshot: &Snapshot, _principal: &Principal) -> PolicySet {
        PolicySet::default()
    }
}
