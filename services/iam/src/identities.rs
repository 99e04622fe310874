//! Who has an access key, and what its policies say: the gate's questions.

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Ids;
use haar_iam_contract::peek::MFA_PRESENT;
use haar_kernel::{Auth, Identities, Identity, IdentityError, Principal};
use haar_ledger::Snapshot;
use haar_policy::{Document, PolicySet, Principal as Who};
use haar_types::{AccountId, Region, Tags, Timestamp};

use crate::lookup::{role_of_arn, user_of_id};
use crate::policies::{Source, bounded_by, sources_of_role, sources_of_user, user_of_arn};
use crate::state::{AccessKeyRow, AccessKeyUseRow, KeyOwner, Named as _, RoleRow, UserRow, owned};
use crate::{Iam, last_uses};

/// A key's last use is written anew when it is this old.
const USE_AGE_MAX: Duration = Duration::from_secs(60);

impl Identities for Iam {
    fn identify(
        &self,
        snapshot: &Snapshot,
        access_key_id: &str,
        session_token: Option<&str>,
        now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        match session_token {
            Some(token) => self.session(snapshot, access_key_id, token, now),
            None => long_term(snapshot, access_key_id),
        }
    }

    /// IAM itself takes no session of a federated user, and a user's own only where it began with
    /// a device. AWS docs: *AWS STS API Reference > GetFederationToken*, *GetSessionToken >
    /// Permissions*.
    fn is_good_for(&self, principal: &Principal, service: &str) -> bool {
        let is_session =
            principal.access_key_id.as_ref().is_some_and(|key| key.starts_with("ASIA"));
        match principal.identity {
            _ if service != "iam" => true,
            Who::Federated { .. } => false,
            Who::User { .. } | Who::Root { .. } if is_session => {
                let began =
                    |(name, value): &(String, String)| name == MFA_PRESENT && value == "true";
                principal.session_keys.iter().any(began)
            }
            _ => true,
        }
    }

    fn policies(&self, snapshot: &Snapshot, principal: &Principal) -> PolicySet {
        let mut set = self.own_policies(snapshot, &principal.identity);
        let is_federated = matches!(principal.identity, Who::Federated { .. });
        if is_federated || !principal.session_policies.is_empty() {
            let read = |text: &String| self.parsed.document(text);
            set.session = Some(principal.session_policies.iter().filter_map(read).collect());
        }
        set
    }

    fn seal_denial(&self, ids: &Ids, account: &AccountId, details: &str) -> Option<String> {
        Some(self.sealer.seal_text(ids, account, details))
    }

    fn asked(&self, principal: &Principal, action: &str, region: &Region, at: Timestamp) {
        let Some(id) = last_uses::id_of(&principal.identity) else { return };
        if let Some(noted) = self.uses.note(id, action, region.as_str(), at) {
            // not waited for: what is lost is told of again by the next use
            drop(self.doors.ledger.write(|tx| last_uses::write(tx, noted)));
        }
    }

    fn used(&self, access_key_id: &str, service: &str, region: &str, at: Timestamp) {
        let id = access_key_id.to_owned();
        let ledger = &self.doors.ledger;
        let snapshot = ledger.snapshot();
        if !snapshot.contains::<AccessKeyRow>(&id) {
            return;
        }
        let known = snapshot.get::<AccessKeyUseRow>(&id);
        if known.is_some_and(|row| at.since(row.used_at) < USE_AGE_MAX) {
            return;
        }
        let (service, region) = (service.to_owned(), region.to_owned());
        let committed = ledger.transact(|tx| -> Result<(), haar_ledger::LedgerError> {
            if tx.contains::<AccessKeyRow>(&id) {
                tx.put(AccessKeyUseRow { id, used_at: at, service, region });
            }
            Ok(())
        });
        if let Err(error) = committed {
            tracing::warn!(%error, "the use of an access key was not noted");
        }
    }
}

/// A key of a user or of the root.
fn long_term(snapshot: &Snapshot, id: &str) -> Result<Identity, IdentityError> {
    let key = snapshot.get::<AccessKeyRow>(&id.to_owned());
    let key = key.filter(|key| key.is_active).ok_or(IdentityError::Unknown)?;
    let account = key.account.clone();
    let (identity, tags) = match &key.owner {
        KeyOwner::Root => (Who::Root { account: account.clone() }, Tags::new()),
        KeyOwner::User(name) => {
            let user = snapshot.get::<UserRow>(&owned(&account, name));
            let user = user.ok_or(IdentityError::Unknown)?;
            let (arn, name, id) = (user.arn(), user.name.clone(), user.id.clone());
            (Who::User { account: account.clone(), arn, name, id }, user.tags.clone())
        }
    };
    let principal = Principal {
        access_key_id: Some(id.to_owned()),
        session_keys: tag_keys(&tags),
        ..Principal::of(account, identity)
    };
    Ok(Identity { principal: Arc::new(principal), secret: key.secret.clone() })
}

/// What a session tells of a device: whether there was one, and how long ago. AWS docs: *AWS global
/// condition context keys > aws:MultiFactorAuthPresent*.
fn mfa_keys(known: &[(String, String)], age: Duration) -> Vec<(String, String)> {
    match known.iter().any(|(name, _)| name == MFA_PRESENT) {
        true => vec![("aws:MultiFactorAuthAge".to_owned(), age.as_secs().to_string())],
        false => vec![(MFA_PRESENT.to_owned(), "false".to_owned())],
    }
}

/// Whom a session acts for, as they are called now; `None` when the very user or role is gone,
/// even where its name was given again.
fn of_now(snapshot: &Snapshot, who: Who) -> Option<Who> {
    match who {
        Who::User { account, id, .. } => {
            let user = user_of_id(snapshot, &id)?;
            Some(Who::User { account, arn: user.arn(), name: user.name.clone(), id })
        }
        Who::Federated { account, user_arn, user_id, session_arn, id } => {
            let is_of_root = user_arn == root_arn(&account);
            let user_arn =
                if is_of_root { user_arn } else { user_of_id(snapshot, &user_id)?.arn() };
            Some(Who::Federated { account, user_arn, user_id, session_arn, id })
        }
        Who::RoleSession { ref role_arn, ref id, .. } => {
            role_of_session(snapshot, role_arn, id)?;
            Some(who)
        }
        Who::Root { .. } | Who::Service { .. } | Who::IdentityProvider { .. } | Who::Anonymous => {
            Some(who)
        }
    }
}

/// The role of a session, by its ARN and the session's id: not a namesake.
fn role_of_session(snapshot: &Snapshot, role_arn: &str, id: &str) -> Option<Arc<RoleRow>> {
    let role_id = id.split(':').next().unwrap_or_default();
    role_of_arn(snapshot, role_arn).filter(|role| role.id == role_id)
}

fn root_arn(account: &AccountId) -> String {
    format!("arn:aws:iam::{account}:root")
}

/// Tags as condition keys.
fn tag_keys(tags: &Tags) -> Vec<(String, String)> {
    let key =
        |(name, value): (&String, &String)| (format!("aws:PrincipalTag/{name}"), value.clone());
    tags.iter().map(key).collect()
}

impl Iam {
    /// A key with a token, which says all.
    fn session(
        &self,
        snapshot: &Snapshot,
        access_key_id: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        let session = self.sealer.open(access_key_id, token).ok_or(IdentityError::BadToken)?;
        let grant = session.grant;
        if now >= grant.expires_at {
            return Err(IdentityError::Expired);
        }
        let who = match self.doors.settings.auth {
            Auth::Enforce => of_now(snapshot, grant.principal).ok_or(IdentityError::BadToken)?,
            // a role's ARN alone suffices there
            Auth::Permissive => grant.principal,
        };
        let mut keys = tag_keys(&tags_of(snapshot, &who));
        keys.retain(|(name, _)| !grant.keys.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)));
        keys.extend(grant.keys);
        keys.extend(mfa_keys(&keys, now.since(grant.issued_at)));
        keys.push(("aws:TokenIssueTime".to_owned(), grant.issued_at.iso()));
        if !grant.transitive_tags.is_empty() {
            let name = Principal::TRANSITIVE_TAG_KEYS.to_owned();
            keys.push((name, grant.transitive_tags.join(",")));
        }
        let account = who.account().cloned().unwrap_or_default();
        let principal = Principal {
            access_key_id: Some(access_key_id.to_owned()),
            session_policies: grant.policies,
            session_keys: keys,
            ..Principal::of(account, who)
        };
        Ok(Identity { principal: Arc::new(principal), secret: session.secret })
    }

    /// The policies of the identity itself. One that was deleted, or made anew under its old
    /// name, says nothing.
    fn own_policies(&self, snapshot: &Snapshot, who: &Who) -> PolicySet {
        match who {
            Who::User { arn, id, .. } => {
                let user = user_of_arn(snapshot, arn).filter(|user| user.id == *id);
                user.map(|user| self.user_policies(snapshot, &user)).unwrap_or_default()
            }
            Who::Federated { user_arn, user_id, account, .. } => {
                if *user_arn == root_arn(account) {
                    let identity = self.parsed.document(EVERYTHING).into_iter().collect();
                    return PolicySet { identity, ..PolicySet::default() };
                }
                let user = user_of_arn(snapshot, user_arn).filter(|user| user.id == *user_id);
                user.map(|user| self.user_policies(snapshot, &user)).unwrap_or_default()
            }
            Who::RoleSession { role_arn, id, .. } => {
                let role = role_of_session(snapshot, role_arn, id);
                let Some(role) = role else { return PolicySet::default() };
                PolicySet {
                    identity: self.documents(&sources_of_role(snapshot, &role)),
                    boundary: bounded_by(snapshot, &self.parsed, role.boundary.as_deref()),
                    ..PolicySet::default()
                }
            }
            Who::Root { .. }
            | Who::Service { .. }
            | Who::IdentityProvider { .. }
            | Who::Anonymous => PolicySet::default(),
        }
    }

    fn user_policies(&self, snapshot: &Snapshot, user: &UserRow) -> PolicySet {
        PolicySet {
            identity: self.documents(&sources_of_user(snapshot, user)),
            boundary: bounded_by(snapshot, &self.parsed, user.boundary.as_deref()),
            ..PolicySet::default()
        }
    }

    fn documents(&self, sources: &[Source]) -> Vec<Arc<Document>> {
        sources.iter().filter_map(|source| self.parsed.document(&source.text)).collect()
    }
}

/// What the root user may do; its federated sessions are narrowed by their own policies.
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

fn tags_of(snapshot: &Snapshot, who: &Who) -> Tags {
    match who {
        Who::User { arn, .. } => user_of_arn(snapshot, arn).map(|user| user.tags.clone()),
        Who::RoleSession { role_arn, .. } => {
            role_of_arn(snapshot, role_arn).map(|role| role.tags.clone())
        }
        _ => None,
    }
    .unwrap_or_default()
}
