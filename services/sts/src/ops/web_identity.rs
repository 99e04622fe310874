//! Roles for those whom an identity provider vouches for.

use std::sync::Arc;

use haar_iam_contract::peek::{OidcProviderFacts, RoleFacts, SessionGrant};
use haar_kernel::{Answer, Call, Flow};
use haar_ledger::Snapshot;
use haar_policy::{PolicySet, Principal, decide};
use haar_sts_contract::{
    AssumeRoleWithWebIdentity, AssumeRoleWithWebIdentityRequest, AssumeRoleWithWebIdentityResponse,
    ExpiredTokenException, IDPCommunicationErrorException, InvalidIdentityTokenException, Tag,
};
use haar_types::{AccountId, Arn};
use haar_wire::AwsError;

use crate::Sts;
use crate::issuers::{IssuerError, is_same};
use crate::ops::assume_role::{UNKNOWN_ROLE_SECONDS_MAX, assumed};
use crate::refusal::validation;
use crate::room::shown;
use crate::rules::jwt::{ClaimError, TagsClaim, Token};
use crate::rules::{Lifetime, SessionTags, packed_percent};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

fn invalid_token(text: impl Into<String>) -> AwsError {
    InvalidIdentityTokenException::message(text).into()
}

fn not_a_token() -> AwsError {
    invalid_token(
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access \
         Token)",
    )
}

fn refused_claim(error: ClaimError) -> AwsError {
    match error {
        ClaimError::Missing(name) => invalid_token(format!("Missing a required claim: {name}")),
        ClaimError::Expired(now, end) => ExpiredTokenException::message(format!(
            "Token expired: current date/time {now} must be before the expiration date/time {end}"
        ))
        .into(),
        ClaimError::NotYet(name) => {
            invalid_token(format!("The claim {name} is of a time that is still to come"))
        }
    }
}

fn not_authorised(action: &str) -> AwsError {
    AwsError::access_denied(format!("Not authorized to perform {action}"))
}

fn unreachable(error: IssuerError) -> AwsError {
    match error {
        IssuerError::Silent => IDPCommunicationErrorException::message(
            "The identity provider that was asked to verify the incoming identity token could not \
             be reached.",
        )
        .into(),
        IssuerError::Useless => no_key(),
    }
}

fn no_key() -> AwsError {
    invalid_token(
        "Couldn't retrieve verification key from your identity provider,  please reference \
         AssumeRoleWithWebIdentity documentation for requirements",
    )
}

/// A token that was proven, and whose it is.
struct Proven {
    token: Token,
    provider: OidcProviderFacts,
    issuer: String,
    audience: String,
}

impl Proven {
    /// The issuer as condition keys name it.
    fn issuer_name(&self) -> &str {
        let name = self.provider.arn.split_once(":oidc-provider/");
        name.map_or("", |(_, name)| name)
    }

    fn condition_keys(&self) -> Vec<(String, Vec<String>)> {
        self.token.claims.condition_keys(self.issuer_name(), &self.audience)
    }

    fn tags(&self) -> (Vec<Tag>, Vec<String>) {
        let TagsClaim { principal_tags, transitive_tag_keys } =
            self.token.claims.tags.clone().unwrap_or_default();
        let tag = |(key, values): (String, Vec<String>)| Tag {
            key,
            value: values.into_iter().next().unwrap_or_default(),
        };
        (principal_tags.into_iter().map(tag).collect(), transitive_tag_keys)
    }
}

/// AWS docs: *AWS STS API Reference > AssumeRoleWithWebIdentity*.
impl Flow<AssumeRoleWithWebIdentity> for Sts {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: AssumeRoleWithWebIdentityRequest,
    ) -> Answer<AssumeRoleWithWebIdentity> {
        let account = account_of_role(&input.role_arn)?;
        if input.provider_id.is_some() {
            return Err(validation(
                "ProviderId is for OAuth 2.0 access tokens, which are not known",
            ));
        }
        let proven = self.proven(&account, &input.web_identity_token).await?;
        let snapshot = self.doors.ledger.snapshot();
        let role = self.iam().role(&snapshot, &input.role_arn);
        if self.enforces() {
            self.refuse_untrusted(&call, role.as_ref(), &input, &proven)?;
        }
        self.begun(&call, &snapshot, role.as_ref(), input, &proven)
    }
}

fn account_of_role(arn: &str) -> Result<AccountId, AwsError> {
    let invalid = || validation(format!("{arn} is invalid"));
    let parsed: Arn = arn.parse().map_err(|_| invalid())?;
    let is_role = parsed.service() == "iam" && parsed.resource().starts_with("role/");
    let account = parsed.account().parse().ok();
    account.filter(|_| is_role).ok_or_else(invalid)
}

impl Sts {
    /// Proves a token: of a provider that the role's account knows, of now, for one of the
    /// provider's clients, and signed by it.
    async fn proven(&self, account: &AccountId, text: &str) -> Result<Proven, AwsError> {
        let token = Token::read(text).ok_or_else(not_a_token)?;
        let issuer = token.claims.iss.clone();
        let issuer = issuer.ok_or_else(|| refused_claim(ClaimError::Missing("iss")))?;
        let provider = {
            let snapshot = self.doors.ledger.snapshot();
            self.iam().oidc_provider(&snapshot, account, &issuer)
        };
        let provider = provider.filter(|known| is_same(&known.url, &issuer));
        let unknown = || {
            invalid_token(format!("No OpenIDConnect provider found in your account for {issuer}"))
        };
        let provider = provider.ok_or_else(unknown)?;
        token.claims.check(self.now().seconds()).map_err(refused_claim)?;
        let audiences = token.claims.audiences();
        let audience = audiences.iter().find(|one| provider.client_ids.iter().any(|id| id == *one));
        let audience = audience.ok_or_else(|| invalid_token("Incorrect token audience"))?;
        let audience = (*audience).to_owned();
        let key_id = token.key_id.as_deref();
        let keys = self.issuers.keys(&self.doors.clock, &provider.url, key_id).await;
        let keys = keys.map_err(unreachable)?;
        let mut named = keys.iter().filter(|key| key_id.is_none() || key.kid.as_deref() == key_id);
        if named.clone().next().is_none() {
            return Err(no_key());
        }
        if !named.any(|key| token.is_signed_by(key)) {
            return Err(invalid_token("Token signature invalid"));
        }
        Ok(Proven { token, provider, issuer, audience })
    }

    /// The role's trust policy is all that is asked: the caller has no policies.
    fn refuse_untrusted(
        &self,
        call: &Call,
        role: Option<&RoleFacts>,
        input: &AssumeRoleWithWebIdentityRequest,
        proven: &Proven,
    ) -> Result<(), AwsError> {
        let role = role.ok_or_else(|| not_authorised(ACTION))?;
        let (tags, transitive) = proven.tags();
        let source = proven.token.claims.source_identity.as_ref();
        let mut actions = vec![ACTION];
        actions.extend((!tags.is_empty()).then_some("sts:TagSession"));
        actions.extend(source.map(|_| "sts:SetSourceIdentity"));
        let provider = Principal::IdentityProvider { arn: proven.provider.arn.clone() };
        let policies = PolicySet { resource: vec![role.trust.clone()], ..PolicySet::default() };
        for action in actions {
            let mut context = self.context_of(call, provider.clone(), action, &role.arn);
            context.resource_account = Some(role.account.clone());
            context.set("sts:RoleSessionName", [input.role_session_name.clone()]);
            for (key, values) in proven.condition_keys() {
                context.set(&key, values);
            }
            if let Some(name) = source {
                context.set("sts:SourceIdentity", [name.clone()]);
            }
            for tag in &tags {
                context.set(&format!("aws:RequestTag/{}", tag.key), [tag.value.clone()]);
            }
            context.set("aws:TagKeys", tags.iter().map(|tag| tag.key.clone()));
            context.set("sts:TransitiveTagKeys", transitive.iter().cloned());
            for (key, value) in &role.tags {
                for stem in ["aws:ResourceTag", "iam:ResourceTag"] {
                    context.set(&format!("{stem}/{key}"), [value.clone()]);
                }
            }
            if !decide(&policies, &context).allowed {
                return Err(not_authorised(action));
            }
        }
        Ok(())
    }

    fn begun(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        role: Option<&RoleFacts>,
        input: AssumeRoleWithWebIdentityRequest,
        proven: &Proven,
    ) -> Answer<AssumeRoleWithWebIdentity> {
        let max = role.map_or(UNKNOWN_ROLE_SECONDS_MAX, |role| role.session_max.as_secs());
        let lifetime = Lifetime { asked: input.duration_seconds, default: 3600, max }.decide(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )?;
        let claims = &proven.token.claims;
        let (tags, transitive_tags) = proven.tags();
        let mut keys =
            SessionTags { given: &tags, transitive: &transitive_tags, inherited: &[] }.keys()?;
        keys.push(("aws:FederatedProvider".to_owned(), proven.provider.arn.clone()));
        let of_one = proven.condition_keys().into_iter().filter(|(_, values)| values.len() == 1);
        keys.extend(of_one.filter_map(|(key, values)| Some((key, values.into_iter().next()?))));
        let source_identity = claims.source_identity.clone();
        let source = source_identity.iter();
        keys.extend(source.map(|name| ("aws:SourceIdentity".to_owned(), name.clone())));
        let policies = self.session_policies(snapshot, input.policy, input.policy_arns)?;
        let packed_policy_size = packed_percent(&policies, &tags);
        let session = self.iam().role_session(snapshot, &input.role_arn, &input.role_session_name);
        let principal = session.ok_or_else(|| not_authorised(ACTION))?;
        let assumed_role_user = Some(assumed(&principal));
        let grant = SessionGrant {
            principal,
            policies,
            keys,
            transitive_tags,
            issued_at: self.now(),
            expires_at: self.now() + lifetime,
        };
        Ok(AssumeRoleWithWebIdentityResponse {
            credentials: shown(self.iam().mint(&call.ids, &grant)),
            subject_from_web_identity_token: claims.sub.clone(),
            assumed_role_user,
            packed_policy_size,
            provider: Some(proven.issuer.clone()),
            audience: Some(proven.audience.clone()),
            source_identity,
        })
    }
}
