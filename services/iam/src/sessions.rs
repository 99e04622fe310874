//! Session tokens: all that is known of a session, sealed with this installation's key.
//!
//! A token is its own record. It is good on any haar that has the same data directory, and
//! nobody can read or change it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use haar_clock::Ids;
use haar_iam_contract::peek::{SessionCredentials, SessionGrant};
use haar_policy::Principal;
use haar_types::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rules::{mint_access_key_id, mint_secret};

/// Bytes of the nonce that a token begins with.
const NONCE_LEN: usize = 24;
/// Tells the first form of tokens from later ones.
const FORM: u8 = 1;
/// Begins sealed texts, which are no tokens.
const TEXT_FORM: u8 = 2;

/// What a token holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sealed {
    secret: String,
    who: Who,
    policies: Vec<String>,
    keys: Vec<(String, String)>,
    transitive_tags: Vec<String>,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

/// [`Principal`], for the disk of clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Who {
    Root {
        account: AccountId,
    },
    User {
        account: AccountId,
        arn: String,
        name: String,
        id: String,
    },
    Role {
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
}

/// An opened token.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) secret: String,
    pub(crate) grant: SessionGrant,
}

/// Seals and opens tokens.
#[derive(Clone)]
pub(crate) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// New credentials for a session.
    pub(crate) fn mint(&self, ids: &Ids, grant: &SessionGrant) -> SessionCredentials {
        let account = grant.principal.account().cloned().unwrap_or_default();
        let access_key_id = mint_access_key_id(ids, "ASIA", &account);
        let secret = mint_secret(ids);
        let sealed = Sealed {
            secret: secret.clone(),
            who: Who::of(&grant.principal, account),
            policies: grant.policies.clone(),
            keys: grant.keys.clone(),
            transitive_tags: grant.transitive_tags.clone(),
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
        };
        let plain = rmp_serde::to_vec(&sealed).expect("texts and numbers can be written");
        let mut token = vec![FORM];
        let mut nonce = [0; NONCE_LEN];
        ids.secret(&mut nonce);
        token.extend(nonce);
        let payload = Payload { msg: &plain, aad: access_key_id.as_bytes() };
        let body = self.0.encrypt(&XNonce::from(nonce), payload);
        token.extend(body.expect("memory suffices for a token"));
        SessionCredentials {
            access_key_id,
            secret_access_key: secret,
            session_token: STANDARD.encode(token),
            expires_at: grant.expires_at,
        }
    }

    /// Seals a text that is for one account.
    pub(crate) fn seal_text(&self, ids: &Ids, account: &AccountId, text: &str) -> String {
        let mut nonce = [0; NONCE_LEN];
        ids.secret(&mut nonce);
        let mut sealed = vec![TEXT_FORM];
        sealed.extend(nonce);
        let payload = Payload { msg: text.as_bytes(), aad: account.as_str().as_bytes() };
        let body = self.0.encrypt(&XNonce::from(nonce), payload);
        sealed.extend(body.expect("memory suffices for a text"));
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Opens such a text; `None` when it is not ours, was changed, or is another account's.
    pub(crate) fn open_text(&self, account: &AccountId, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let rest = bytes.strip_prefix(&[TEXT_FORM])?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().ok()?;
        let payload = Payload { msg: body, aad: account.as_str().as_bytes() };
        String::from_utf8(self.0.decrypt(&XNonce::from(nonce), payload).ok()?).ok()
    }

    /// Opens a token that came with an access key; `None` when it is not ours, was changed, or
    /// belongs to another key.
    pub(crate) fn open(&self, access_key_id: &str, token: &str) -> Option<Session> {
        let bytes = STANDARD.decode(token).ok()?;
        let rest = bytes.strip_prefix(&[FORM])?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().ok()?;
        let payload = Payload { msg: body, aad: access_key_id.as_bytes() };
        let plain = self.0.decrypt(&XNonce::from(nonce), payload).ok()?;
        let sealed: Sealed = haar_pack::read(&plain).ok()?;
        let grant = SessionGrant {
            principal: sealed.who.principal(),
            policies: sealed.policies,
            keys: sealed.keys,
            transitive_tags: sealed.transitive_tags,
            issued_at: sealed.issued_at,
            expires_at: sealed.expires_at,
        };
        Some(Session { secret: sealed.secret, grant })
    }
}

impl Who {
    fn of(principal: &Principal, account: AccountId) -> Self {
        match principal.clone() {
            Principal::User { account, arn, name, id } => Self::User { account, arn, name, id },
            Principal::RoleSession { account, role_arn, session_arn, id } => {
                Self::Role { account, role_arn, session_arn, id }
            }
            Principal::Federated { account, user_arn, user_id, session_arn, id } => {
                Self::Federated { account, user_arn, user_id, session_arn, id }
            }
            Principal::Root { .. }
            | Principal::Service { .. }
            | Principal::IdentityProvider { .. }
            | Principal::Anonymous => Self::Root { account },
        }
    }

    fn principal(self) -> Principal {
        match self {
            Self::Root { account } => Principal::Root { account },
            Self::User { account, arn, name, id } => Principal::User { account, arn, name, id },
            Self::Role { account, role_arn, session_arn, id } => {
                Principal::RoleSession { account, role_arn, session_arn, id }
            }
            Self::Federated { account, user_arn, user_id, session_arn, id } => {
                Principal::Federated { account, user_arn, user_id, session_arn, id }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use haar_clock::IdSource;

    use super::*;

    fn grant() -> SessionGrant {
        SessionGrant {
            principal: Principal::RoleSession {
                account: "123456789012".parse().unwrap(),
                role_arn: "arn:aws:iam::123456789012:role/r".into(),
                session_arn: "arn:aws:sts::123456789012:assumed-role/r/s".into(),
                id: "AROA:s".into(),
            },
            policies: vec!["{}".into()],
            keys: vec![("aws:PrincipalTag/team".into(), "blue".into())],
            transitive_tags: vec![],
            issued_at: Timestamp(0),
            expires_at: Timestamp(3_600_000),
        }
    }

    #[test]
    fn a_token_opens_to_what_was_sealed() {
        let (sealer, ids) = (Sealer::new(&[7; 32]), IdSource::seeded(1).ids());
        let credentials = sealer.mint(&ids, &grant());
        let session = sealer.open(&credentials.access_key_id, &credentials.session_token).unwrap();
        assert_eq!(session.grant, grant());
        assert_eq!(session.secret, credentials.secret_access_key);
        assert!(credentials.access_key_id.starts_with("ASIA"));
    }

    #[test]
    fn a_changed_foreign_or_swapped_token_does_not_open() {
        let (sealer, ids) = (Sealer::new(&[7; 32]), IdSource::seeded(1).ids());
        let (one, other) = (sealer.mint(&ids, &grant()), sealer.mint(&ids, &grant()));
        let key = &one.access_key_id;
        assert!(sealer.open(key, &other.session_token).is_none());
        assert!(Sealer::new(&[8; 32]).open(key, &one.session_token).is_none());
        for at in [0, 10, 40, one.session_token.len() - 6] {
            let mut changed = one.session_token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(sealer.open(key, &changed).is_none(), "{at}");
        }
        for junk in ["", "AA==", "no token", &"A".repeat(1000)] {
            assert!(sealer.open(key, junk).is_none());
        }
    }

    #[test]
    fn a_sealed_text_is_read_in_its_own_account_alone() {
        let (sealer, ids) = (Sealer::new(&[7; 32]), IdSource::seeded(1).ids());
        let (own, other): (AccountId, AccountId) =
            ("111122223333".parse().unwrap(), "444455556666".parse().unwrap());
        let sealed = sealer.seal_text(&ids, &own, "why");
        assert_eq!(sealer.open_text(&own, &sealed).as_deref(), Some("why"));
        assert_eq!(sealer.open_text(&other, &sealed), None);
        assert_eq!(Sealer::new(&[8; 32]).open_text(&own, &sealed), None);
        for junk in ["", "junk", "not base64!", &sealed[..sealed.len() - 4]] {
            assert_eq!(sealer.open_text(&own, junk), None);
        }
    }
}
