//! Sessions of users and of those they vouch for.

use std::sync::Arc;

use haar_iam_contract::peek::SessionGrant;
use haar_kernel::{Answer, Call, Flow, Query};
use haar_ledger::Snapshot;
use haar_policy::Principal;
use haar_sts_contract::{
    FederatedUser, GetFederationToken, GetFederationTokenRequest, GetFederationTokenResponse,
    GetSessionToken, GetSessionTokenRequest, GetSessionTokenResponse,
};
use haar_wire::AwsError;

use crate::Sts;
use crate::room::shown;
use crate::rules::{Lifetime, SessionTags, packed_percent};

/// Twelve hours, unless the caller says.
const SECONDS_DEFAULT: u64 = 43_200;
/// Thirty-six hours.
const SECONDS_MAX: u64 = 129_600;
/// The root user's sessions are short.
const ROOT_SECONDS_MAX: u64 = 3600;

fn lifetime(call: &Call, asked: Option<i32>) -> Result<std::time::Duration, AwsError> {
    let is_root = matches!(call.principal.identity, Principal::Root { .. });
    let max = if is_root { ROOT_SECONDS_MAX } else { SECONDS_MAX };
    // the root's longer wishes are cut, not refused
    let asked = asked.map(|seconds| seconds.min(i32::try_from(max).unwrap_or(i32::MAX)));
    Lifetime { asked, default: SECONDS_DEFAULT, max }.decide("The session would be too long.")
}

/// AWS docs: *AWS STS API Reference > GetSessionToken*.
impl Flow<GetSessionToken> for Sts {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetSessionTokenRequest,
    ) -> Answer<GetSessionToken> {
        let (serial, code) = (input.serial_number.as_deref(), input.token_code.as_deref());
        let keys = self.mfa_keys(&call, serial, code).await?;
        let grant = SessionGrant {
            principal: call.principal.identity.clone(),
            policies: Vec::new(),
            keys,
            transitive_tags: Vec::new(),
            issued_at: self.now(),
            expires_at: self.now() + lifetime(&call, input.duration_seconds)?,
        };
        let credentials = shown(self.iam().mint(&call.ids, &grant));
        Ok(GetSessionTokenResponse { credentials })
    }
}

/// AWS docs: *AWS STS API Reference > GetFederationToken*.
impl Query<GetFederationToken> for Sts {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetFederationTokenRequest,
    ) -> Answer<GetFederationToken> {
        let (account, name) = (call.account.clone(), &input.name);
        let session_arn = format!("arn:aws:sts::{account}:federated-user/{name}");
        let id = format!("{account}:{name}");
        let user_id = match &call.principal.identity {
            Principal::User { id, .. } => id.clone(),
            _ => account.to_string(),
        };
        let tags = input.tags.clone().unwrap_or_default();
        let policies = self.session_policies(snapshot, input.policy, input.policy_arns)?;
        let packed_policy_size = packed_percent(&policies, &tags);
        let grant = SessionGrant {
            principal: Principal::Federated {
                account,
                user_arn: call.principal.arn(),
                user_id,
                session_arn: session_arn.clone(),
                id: id.clone(),
            },
            policies,
            keys: SessionTags { given: &tags, transitive: &[], inherited: &[] }.keys()?,
            transitive_tags: Vec::new(),
            issued_at: self.now(),
            expires_at: self.now() + lifetime(call, input.duration_seconds)?,
        };
        Ok(GetFederationTokenResponse {
            credentials: shown(self.iam().mint(&call.ids, &grant)),
            federated_user: Some(FederatedUser { federated_user_id: id, arn: session_arn }),
            packed_policy_size,
        })
    }
}
