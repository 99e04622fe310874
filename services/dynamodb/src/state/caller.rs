//! Who began something that goes on in that name.

use std::sync::Arc;

use haar_kernel::Principal;
use haar_policy::Principal as Identity;
use haar_types::AccountId;
use serde::{Deserialize, Serialize};

/// A caller, as policies see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Caller(#[serde(with = "PrincipalForm")] Principal);

impl Caller {
    /// Remembers who calls.
    pub(crate) fn of(principal: &Principal) -> Self {
        Self(principal.clone())
    }

    /// Who called.
    pub(crate) fn principal(&self) -> Arc<Principal> {
        Arc::new(self.0.clone())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Principal")]
struct PrincipalForm {
    account: AccountId,
    #[serde(with = "IdentityForm")]
    identity: Identity,
    access_key_id: Option<String>,
    session_policies: Vec<String>,
    session_keys: Vec<(String, String)>,
    #[serde(default)]
    via: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Identity")]
enum IdentityForm {
    Root {
        account: AccountId,
    },
    User {
        account: AccountId,
        arn: String,
        name: String,
        id: String,
    },
    RoleSession {
        account: AccountId,
        role_arn: String,
        session_arn: String,
        id: String,
    },
    Federated {
        account: AccountId,
        user_arn: String,
        user_id: String,
        session_arn: String,
        id: String,
    },
    Service {
        name: String,
    },
    Anonymous,
    IdentityProvider {
        arn: String,
    },
}
