//! Who there is in a cloud where policies decide.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_iam_contract::peek::{
    AssumeError, IamPeek, MfaError, OidcProviderFacts, RoleFacts, ServiceSession,
    SessionCredentials, SessionGrant,
};
use haar_kernel::{Identities, Identity, IdentityError, Principal};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar, PolicySet, Principal as Who};
use haar_types::{AccountId, Tags, Timestamp};
use serde_json::{Value, json};

/// Roles and users by their ARNs, each with one policy. Each role trusts each service.
#[derive(Clone, Default)]
pub struct Guard(BTreeMap<String, Arc<Document>>);

impl Guard {
    /// One more, who may do these things with that.
    pub fn with(mut self, arn: &str, action: &str, resource: &str) -> Self {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": resource});
        self.0.insert(arn.to_owned(), document(&statement));
        self
    }
}

fn document(statement: &Value) -> Arc<Document> {
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    Arc::new(Document::parse(&policy.to_string(), Grammar::Inline).unwrap())
}

/// A user as a caller.
pub fn user(arn: &str) -> Arc<Principal> {
    let account: AccountId = arn.split(':').nth(4).unwrap().parse().unwrap();
    let (name, id) = (arn.rsplit('/').next().unwrap().to_owned(), "AIDA".to_owned());
    let who = Who::User { account: account.clone(), arn: arn.to_owned(), name, id };
    Arc::new(Principal::of(account, who))
}

impl Identities for Guard {
    fn identify(
        &self,
        _: &Snapshot,
        _: &str,
        _: Option<&str>,
        _: Timestamp,
    ) -> Result<Identity, IdentityError> {
        Err(IdentityError::Unknown)
    }

    fn policies(&self, _: &Snapshot, principal: &Principal) -> PolicySet {
        let arn = match &principal.identity {
            Who::RoleSession { role_arn, .. } => role_arn.clone(),
            other => other.shown(),
        };
        PolicySet {
            identity: self.0.get(&arn).cloned().into_iter().collect(),
            ..PolicySet::default()
        }
    }
}

impl IamPeek for Guard {
    fn role(&self, _: &Snapshot, _: &str) -> Option<RoleFacts> {
        None
    }

    fn service_may_assume(
        &self,
        _: &Snapshot,
        role: &str,
        _: &str,
        _: &str,
    ) -> Result<(), AssumeError> {
        self.0.get(role).map(drop).ok_or(AssumeError::NoSuchRole)
    }

    fn may_pass_role(&self, _: &Snapshot, _: &Principal, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn service_session(
        &self,
        _: &Snapshot,
        _: &haar_clock::Ids,
        _: &ServiceSession<'_>,
        _: Timestamp,
    ) -> Result<SessionCredentials, AssumeError> {
        Err(AssumeError::NoSuchRole)
    }

    fn mint(&self, _: &haar_clock::Ids, _: &SessionGrant) -> SessionCredentials {
        unreachable!("nobody here signs")
    }

    fn role_session(&self, _: &Snapshot, role_arn: &str, name: &str) -> Option<Who> {
        let account: AccountId = role_arn.split(':').nth(4)?.parse().ok()?;
        let role = role_arn.rsplit('/').next()?;
        Some(Who::RoleSession {
            session_arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
            account,
            role_arn: role_arn.to_owned(),
            id: format!("AROA:{name}"),
        })
    }

    fn account_of_access_key(&self, _: &str) -> Option<AccountId> {
        None
    }

    fn managed_policy(&self, _: &Snapshot, _: &str) -> Option<String> {
        None
    }

    fn user_tags(&self, _: &Snapshot, _: &str) -> Tags {
        Tags::new()
    }

    fn take_mfa_code(
        &self,
        _: &haar_policy::Principal,
        _: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<haar_ledger::Committed<()>, MfaError> {
        Err(MfaError::NotTheirs)
    }

    fn oidc_provider(&self, _: &Snapshot, _: &AccountId, _: &str) -> Option<OidcProviderFacts> {
        None
    }
}
