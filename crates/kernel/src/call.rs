//! Who calls, when, and with which ids.

use std::net::IpAddr;
use std::sync::Arc;

use haar_clock::Ids;
use haar_policy::Principal as Identity;
use haar_types::{AccountId, Region, RequestId, Timestamp};

use crate::Auth;

/// One request's circumstances: all that a handler may know beside its input and the state.
#[derive(Debug)]
pub struct Call {
    /// The account that acts and that owns what is made.
    pub account: AccountId,
    /// The region that the caller addressed.
    pub region: Region,
    /// Names the request in answers and logs.
    pub request_id: RequestId,
    /// When the request was accepted. Handlers know no other time.
    pub now: Timestamp,
    /// Where a handler draws ids from.
    pub ids: Ids,
    /// Who calls.
    pub principal: Arc<Principal>,
    /// Whether policies decide on this call: haar's setting, but that they always decide on what a
    /// page of another site sends.
    pub auth: Auth,
    /// The base of this haar's addresses as the caller sees them: `http://localhost:4566`.
    pub endpoint: Arc<str>,
    /// The caller's address; `None` for calls between rooms.
    pub source_ip: Option<IpAddr>,
    /// The caller's `User-Agent`.
    pub user_agent: Option<Arc<str>>,
    /// The page that the caller says to come from: its `Referer`.
    pub referer: Option<Arc<str>>,
    /// The caller's `X-Amzn-Trace-Id`.
    pub trace: Option<Arc<str>>,
    /// How the request was signed, where policies decide and the service's look at it.
    pub signature: Option<Arc<Signature>>,
}

/// How a request was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Where it stands.
    pub place: SignaturePlace,
    /// In which manner.
    pub version: SignatureVersion,
    /// When it says that it was made.
    pub at: Option<Timestamp>,
    /// What it says of the body: `x-amz-content-sha256`.
    pub payload: Option<String>,
}

/// A manner of signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureVersion {
    /// The older one, which S3 alone takes.
    Two,
    /// What all services take.
    Four,
}

impl SignatureVersion {
    /// As policies call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Two => "AWS",
            Self::Four => "AWS4-HMAC-SHA256",
        }
    }
}

/// Where a signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignaturePlace {
    /// In the `Authorization` header.
    Header,
    /// In the query of a link.
    Query,
    /// In a form's fields.
    Form,
}

/// Who calls, and under which session. AWS docs: *IAM User Guide > Principals*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The account that it acts in.
    pub account: AccountId,
    /// Who it is, as policies see it.
    pub identity: Identity,
    /// The access key that signed, where one did.
    pub access_key_id: Option<String>,
    /// Policies that narrow this session (JSON documents), from `AssumeRole` and its kin.
    pub session_policies: Vec<String>,
    /// More condition keys of the session: `aws:PrincipalTag/x`, `aws:SourceIdentity` …
    pub session_keys: Vec<(String, String)>,
    /// Services that call in its name, the first that it called itself: `dynamodb.amazonaws.com`.
    pub via: Vec<String>,
}

impl Principal {
    /// The key of a session that holds the keys of the tags which it hands on, with commas between.
    pub const TRANSITIVE_TAG_KEYS: &str = "sts:TransitiveTagKeys";

    /// The session's condition keys with their values.
    pub fn session_values(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.session_keys.iter().map(|(name, value)| match name.as_str() {
            Self::TRANSITIVE_TAG_KEYS => (Self::TRANSITIVE_TAG_KEYS, value.split(',').collect()),
            name => (name, vec![value.as_str()]),
        })
    }

    /// The account's root user.
    pub fn root(account: AccountId) -> Self {
        Self::of(account.clone(), Identity::Root { account })
    }

    /// A service that acts in an account, such as `lambda.amazonaws.com`.
    pub fn service(account: AccountId, name: &str) -> Self {
        Self::of(account, Identity::Service { name: name.to_owned() })
    }

    /// An unsigned caller.
    pub fn anonymous(account: AccountId) -> Self {
        Self::of(account, Identity::Anonymous)
    }

    /// A principal without session or key.
    pub fn of(account: AccountId, identity: Identity) -> Self {
        Self {
            account,
            identity,
            access_key_id: None,
            session_policies: Vec::new(),
            session_keys: Vec::new(),
            via: Vec::new(),
        }
    }

    /// The same where a service calls another in its name. AWS docs: *IAM User Guide > Forward
    /// access sessions*.
    #[must_use]
    pub fn via(&self, service: &str) -> Arc<Self> {
        let via = self.via.iter().cloned().chain([service.to_owned()]).collect();
        Arc::new(Self { via, ..self.clone() })
    }

    /// As `GetCallerIdentity` shows it: `arn:aws:sts::123456789012:assumed-role/r/s`.
    pub fn arn(&self) -> String {
        self.identity.shown()
    }
}
