//! Roles and sessions, for the rooms that run code under a role and for STS.

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Ids;
use haar_kernel::Principal as Caller;
use haar_ledger::{Committed, Snapshot};
use haar_policy::{Document, Principal};
use haar_types::{AccountId, Tags, Timestamp};

/// A role, as other rooms see it.
#[derive(Clone, Debug)]
pub struct RoleFacts {
    /// Its account.
    pub account: AccountId,
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `AROA…`.
    pub id: String,
    /// Who may assume it.
    pub trust: Arc<Document>,
    /// The longest session that may be asked for.
    pub session_max: Duration,
    /// Its tags; a session has them as `aws:PrincipalTag/KEY`.
    pub tags: Tags,
}

/// Who a session is, and what narrows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionGrant {
    /// Who it acts as.
    pub principal: Principal,
    /// Policies that narrow it: JSON documents, managed ones already read.
    pub policies: Vec<String>,
    /// More condition keys of the session: `aws:PrincipalTag/x`, `aws:SourceIdentity` …
    pub keys: Vec<(String, String)>,
    /// Keys of the session tags that later sessions inherit.
    pub transitive_tags: Vec<String>,
    /// From when on it is good.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Temporary credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCredentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// What it signs with.
    pub secret_access_key: String,
    /// All that haar needs to know of the session, sealed.
    pub session_token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for SessionCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionCredentials({} until {})", self.access_key_id, self.expires_at)
    }
}

/// What a service's session under a role is made for.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSession<'a> {
    /// The role's ARN.
    pub role_arn: &'a str,
    /// The service that assumes it: `lambda.amazonaws.com`.
    pub service: &'a str,
    /// Shown in the session's ARN; Lambda takes the function's name.
    pub session_name: &'a str,
    /// How long it is good.
    pub lifetime: Duration,
}

/// Why a service cannot assume a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssumeError {
    /// There is no such role.
    NoSuchRole,
    /// Its trust policy does not name the service.
    NotTrusted,
}

/// The condition key of sessions that began with the code of a device.
pub const MFA_PRESENT: &str = "aws:MultiFactorAuthPresent";

/// Why the code of a device is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MfaError {
    /// The caller has no such device.
    NotTheirs,
    /// The code is another's, of another time, or was taken before.
    WrongCode,
}

/// An OpenID Connect provider, as STS sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProviderFacts {
    /// `arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH`.
    pub arn: String,
    /// As it was registered, with its scheme.
    pub url: String,
    /// For whom its tokens may be made out.
    pub client_ids: Vec<String>,
}

/// Roles and sessions.
pub trait IamPeek: Send + Sync + 'static {
    /// The role of that ARN.
    fn role(&self, snapshot: &Snapshot, arn: &str) -> Option<RoleFacts>;

    /// Whether a service may assume a role for one of its resources: the trust policy is asked
    /// with its ARN (`aws:SourceArn`) and the account in it (`aws:SourceAccount`).
    ///
    /// # Errors
    /// Why not.
    fn service_may_assume(
        &self,
        snapshot: &Snapshot,
        role_arn: &str,
        service: &str,
        source_arn: &str,
    ) -> Result<(), AssumeError>;

    /// Whether a caller may hand a role of its own account to a service (`iam:PassRole`). In
    /// permissive mode all may, and with any role.
    ///
    /// # Errors
    /// AWS's text of the refusal.
    fn may_pass_role(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        role_arn: &str,
        service: &str,
    ) -> Result<(), String>;

    /// Credentials for code that a service runs under a role. The trust policy is not asked
    /// again: AWS checks it when the role is given to the function.
    ///
    /// # Errors
    /// When the role is gone.
    fn service_session(
        &self,
        snapshot: &Snapshot,
        ids: &Ids,
        session: &ServiceSession<'_>,
        now: Timestamp,
    ) -> Result<SessionCredentials, AssumeError>;

    /// Seals a session into credentials; nothing is written.
    fn mint(&self, ids: &Ids, grant: &SessionGrant) -> SessionCredentials;

    /// A role's session as a principal. In permissive mode a role that does not exist has
    /// sessions too, so that its ARN alone suffices.
    fn role_session(
        &self,
        snapshot: &Snapshot,
        role_arn: &str,
        session_name: &str,
    ) -> Option<Principal>;

    /// The account that an access key names; no state is asked.
    fn account_of_access_key(&self, access_key_id: &str) -> Option<AccountId>;

    /// Reads what an account was told of a denial; `None` when it is not ours to read.
    fn open_denial(&self, _account: &AccountId, _message: &str) -> Option<String> {
        None
    }

    /// A managed policy's default version, by its ARN.
    fn managed_policy(&self, snapshot: &Snapshot, arn: &str) -> Option<String>;

    /// A user's tags, by the user's ARN.
    fn user_tags(&self, snapshot: &Snapshot, user_arn: &str) -> Tags;

    /// Takes the code of a caller's MFA device: each is good once. In permissive mode a device
    /// that haar does not know passes, and one that it knows counts for every caller.
    ///
    /// # Errors
    /// Why not.
    fn take_mfa_code(
        &self,
        caller: &Principal,
        serial: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<Committed<()>, MfaError>;

    /// An account's OpenID Connect provider, by the issuer that its tokens name.
    fn oidc_provider(
        &self,
        snapshot: &Snapshot,
        account: &AccountId,
        issuer: &str,
    ) -> Option<OidcProviderFacts>;
}
