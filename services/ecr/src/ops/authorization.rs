//! Tokens for clients of the registry.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_ecr_contract::model::{
    AuthorizationData, GetAuthorizationToken, GetAuthorizationTokenRequest,
    GetAuthorizationTokenResponse,
};
use haar_iam_contract::peek::{IamPeek, SessionGrant};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use crate::Ecr;
use crate::registry::password_of;
use crate::rules::hosts;
use crate::state::RegistryKey;

/// How long a token is good. AWS docs: *Amazon ECR API Reference > GetAuthorizationToken*.
const VALID_FOR: Duration = Duration::from_secs(12 * 3600);

/// AWS docs: *Amazon ECR API Reference > GetAuthorizationToken*.
impl Query<GetAuthorizationToken> for Ecr {
    fn query(
        &self,
        call: &Call,
        _: &Snapshot,
        input: GetAuthorizationTokenRequest,
    ) -> Answer<GetAuthorizationToken> {
        let iam = self.doors.peeks.expect::<dyn IamPeek>();
        let now = self.doors.clock.machine().now(); // clients know no other time
        let expires_at = now + VALID_FOR;
        let grant = SessionGrant {
            principal: call.principal.identity.clone(),
            policies: call.principal.session_policies.clone(),
            keys: call.principal.session_keys.clone(),
            transitive_tags: Vec::new(),
            issued_at: now,
            expires_at,
        };
        let password = password_of(&iam.mint(&call.ids, &grant), &call.region);
        let token = STANDARD.encode(format!("AWS:{password}"));
        let own = || vec![call.account.to_string()];
        let ids = input.registry_ids.filter(|ids| !ids.is_empty()).unwrap_or_else(own);
        let data = ids.iter().map(|id| {
            let host = hosts::host_of(&RegistryKey::of(call, Some(id)), &call.endpoint);
            AuthorizationData {
                authorization_token: Some(token.clone()),
                expires_at: Some(expires_at),
                proxy_endpoint: Some(format!("http://{host}")),
            }
        });
        Ok(GetAuthorizationTokenResponse { authorization_data: Some(data.collect()) })
    }
}
