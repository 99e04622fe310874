//! Functions' credentials, out of IAM's room.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use haar_iam_contract::peek::{IamPeek, ServiceSession, SessionCredentials, SessionGrant};
use haar_kernel::{Auth, Doors};
use haar_lambda::doors::{CredentialSource, RoleCredentials};
use haar_types::AccountId;

/// How long a function's credentials are good; its environment lives shorter.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Sessions of functions' roles.
pub(crate) struct RoleSessions {
    pub(crate) doors: Doors,
    pub(crate) iam: Arc<dyn IamPeek>,
}

#[async_trait]
impl CredentialSource for RoleSessions {
    async fn credentials(
        &self,
        _account: &AccountId,
        role_arn: &str,
        session: &str,
    ) -> Option<RoleCredentials> {
        let (snapshot, ids) = (self.doors.ledger.snapshot(), self.doors.ids.ids());
        let now = self.doors.clock.now();
        let wanted = ServiceSession {
            role_arn,
            service: "lambda.amazonaws.com",
            session_name: session,
            lifetime: LIFETIME,
        };
        match self.iam.service_session(&snapshot, &ids, &wanted, now) {
            Ok(credentials) => Some(of(credentials)),
            Err(_) if self.doors.settings.auth == Auth::Enforce => None,
            // Permissive mode takes a role by its ARN alone.
            Err(_) => {
                let principal = self.iam.role_session(&snapshot, role_arn, session)?;
                let grant = SessionGrant {
                    principal,
                    policies: Vec::new(),
                    keys: Vec::new(),
                    transitive_tags: Vec::new(),
                    issued_at: now,
                    expires_at: now + LIFETIME,
                };
                Some(of(self.iam.mint(&ids, &grant)))
            }
        }
    }
}

fn of(credentials: SessionCredentials) -> RoleCredentials {
    RoleCredentials {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        session_token: credentials.session_token,
    }
}
