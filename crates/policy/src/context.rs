//! What is known of one request.

use std::collections::BTreeMap;

use haar_types::{AccountId, Arn};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An account's root user.
    Root {
        /// The account.
        account: AccountId,
    },
    /// An IAM user, with a long-term key or a `GetSessionToken` session.
    User {
        /// Its account.
        account: AccountId,
        /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
        arn: String,
        /// Its name.
        name: String,
        /// `AIDA…`.
        id: String,
    },
    /// A role's session.
    RoleSession {
        /// The role's account.
        account: AccountId,
        /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
        role_arn: String,
        /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`.
        session_arn: String,
        /// `AROA…:SESSION`.
        id: String,
    },
    /// A federated user's session (`GetFederationToken`).
    Federated {
        /// The federating user's account.
        account: AccountId,
        /// The IAM user that federated.
        user_arn: String,
        /// That user's `AIDA…`, or the account of a root.
        user_id: String,
        /// `arn:aws:sts::ACCOUNT:federated-user/NAME`.
        session_arn: String,
        /// `ACCOUNT:NAME`.
        id: String,
    },
    /// One of AWS's services.
    Service {
        /// Its name in policies: `lambda.amazonaws.com`.
        name: String,
    },
    /// An identity provider, for one of those whom it knows (`AssumeRoleWithWebIdentity`).
    IdentityProvider {
        /// `arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH`.
        arn: String,
    },
    /// An unsigned request.
    Anonymous,
}

impl Principal {
    /// The account it belongs to; services, providers and anonymous callers have none.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Root { account }
            | Self::User { account, .. }
            | Self::RoleSession { account, .. }
            | Self::Federated { account, .. } => Some(account),
            Self::Service { .. } | Self::IdentityProvider { .. } | Self::Anonymous => None,
        }
    }

    /// The name that messages show: the session's ARN rather than the role's.
    pub fn shown(&self) -> String {
        match self {
            Self::Root { account } => format!("arn:aws:iam::{account}:root"),
            Self::User { arn, .. } => arn.clone(),
            Self::RoleSession { session_arn, .. } | Self::Federated { session_arn, .. } => {
                session_arn.clone()
            }
            Self::Service { name } => name.clone(),
            Self::IdentityProvider { arn } => arn.clone(),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }

    /// What `aws:userid` is: an account, `AIDA…`, `AROA…:SESSION`, a service's name, `anonymous`.
    pub fn user_id(&self) -> String {
        match self {
            Self::Root { account } => account.to_string(),
            Self::User { id, .. } | Self::RoleSession { id, .. } | Self::Federated { id, .. } => {
                id.clone()
            }
            Self::Service { name } => name.clone(),
            Self::IdentityProvider { arn } => arn.clone(),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }

    /// The condition keys that follow from who asks.
    fn keys(&self) -> Vec<(&'static str, String)> {
        let mut keys = match self {
            Self::Root { account } => vec![
                ("aws:principalarn", self.shown()),
                ("aws:principaltype", "Account".to_owned()),
                ("aws:userid", account.to_string()),
            ],
            Self::User { arn, name, id, .. } => vec![
                ("aws:principalarn", arn.clone()),
                ("aws:principaltype", "User".to_owned()),
                ("aws:userid", id.clone()),
                ("aws:username", name.clone()),
            ],
            Self::RoleSession { role_arn, id, .. } => vec![
                ("aws:principalarn", role_arn.clone()),
                ("aws:principaltype", "AssumedRole".to_owned()),
                ("aws:userid", id.clone()),
            ],
            Self::Federated { session_arn, id, .. } => vec![
                ("aws:principalarn", session_arn.clone()),
                ("aws:principaltype", "FederatedUser".to_owned()),
                ("aws:userid", id.clone()),
            ],
            Self::Service { name } => vec![("aws:principalservicename", name.clone())],
            Self::IdentityProvider { arn } => vec![("aws:federatedprovider", arn.clone())],
            Self::Anonymous => vec![
                ("aws:principaltype", "Anonymous".to_owned()),
                ("aws:userid", "anonymous".to_owned()),
            ],
        };
        if let Some(account) = self.account() {
            keys.push(("aws:principalaccount", account.to_string()));
        }
        let is_service = matches!(self, Self::Service { .. });
        keys.push(("aws:principalisawsservice", is_service.to_string()));
        keys
    }
}

/// One request, as policies see it.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Who asks.
    pub principal: Principal,
    /// What for: `lambda:GetFunction`.
    pub action: String,
    /// On what: an ARN, or `*` for actions without a resource.
    pub resource: String,
    /// Who owns the resource. Without it the ARN's account counts, else the principal's own.
    pub resource_account: Option<AccountId>,
    /// Condition keys by their lower-case names.
    pub keys: BTreeMap<String, Vec<String>>,
}

impl RequestContext {
    /// A request with the keys that follow from its principal.
    pub fn new(
        principal: Principal,
        action: impl Into<String>,
        resource: impl Into<String>,
    ) -> Self {
        let keys = principal.keys().into_iter();
        Self {
            keys: keys.map(|(name, value)| (name.to_owned(), vec![value])).collect(),
            principal,
            action: action.into(),
            resource: resource.into(),
            resource_account: None,
        }
    }

    /// Sets a condition key; its name is taken in any case.
    pub fn set<V: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = V>) {
        self.keys.insert(key.to_lowercase(), values.into_iter().map(Into::into).collect());
    }

    /// A condition key's values, by its lower-case name; `None` when the request has none.
    pub fn values(&self, key: &str) -> Option<&[String]> {
        self.keys.get(key).map(Vec::as_slice).filter(|values| !values.is_empty())
    }

    /// The account that owns the resource, as far as it is known.
    pub(crate) fn owner(&self) -> Option<AccountId> {
        let named = || self.resource.parse::<Arn>().ok()?.account().parse().ok();
        self.resource_account.clone().or_else(named)
    }

    /// True unless principal and resource belong to different accounts.
    pub(crate) fn is_same_account(&self) -> bool {
        match (self.principal.account(), self.owner()) {
            (Some(ours), Some(theirs)) => *ours == theirs,
            (_, None) => true,
            (None, Some(_)) => false,
        }
    }
}
