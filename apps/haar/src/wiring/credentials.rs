//! Functions' credentials, out of IAM's room.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use haar_iam_contract::peek::{IamPeek, ServiceSession, SessionCredentials, SessionGrant};
use haar_kernel::{Auth, Doors, Principal, Question};
use haar_lambda::doors::{CredentialSource, FunctionLog, NotAssumable, RoleCredentials};
use haar_logs_contract::peek::LogSink;
use haar_types::AccountId;

/// How long a function's credentials are good; its environment lives shorter.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Who assumes functions' roles.
const SERVICE: &str = "lambda.amazonaws.com";

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
        function_arn: &str,
    ) -> Result<Option<RoleCredentials>, NotAssumable> {
        let session = function_arn.rsplit(':').next().unwrap_or("function");
        let (snapshot, ids) = (self.doors.ledger.snapshot(), self.doors.ids.ids());
        let now = self.doors.clock.machine().now(); // a moved clock ends no session
        let wanted = ServiceSession {
            role_arn,
            service: SERVICE,
            session_name: session,
            lifetime: LIFETIME,
        };
        if self.doors.settings.auth == Auth::Enforce {
            let trusted = self.iam.service_may_assume(&snapshot, role_arn, SERVICE, function_arn);
            trusted.map_err(|_| NotAssumable)?;
        }
        match self.iam.service_session(&snapshot, &ids, &wanted, now) {
            Ok(credentials) => Ok(Some(of(credentials))),
            Err(_) if self.doors.settings.auth == Auth::Enforce => Err(NotAssumable),
            // Permissive mode takes a role by its ARN alone.
            Err(_) => {
                let principal = self.iam.role_session(&snapshot, role_arn, session);
                let Some(principal) = principal else { return Ok(None) };
                let grant = SessionGrant {
                    principal,
                    policies: Vec::new(),
                    keys: Vec::new(),
                    transitive_tags: Vec::new(),
                    issued_at: now,
                    expires_at: now + LIFETIME,
                };
                Ok(Some(of(self.iam.mint(&ids, &grant))))
            }
        }
    }

    fn may_log(&self, log: &FunctionLog<'_>) -> bool {
        if self.doors.settings.auth == Auth::Permissive {
            return true;
        }
        let snapshot = self.doors.ledger.snapshot();
        let session = self.iam.role_session(&snapshot, log.role_arn, log.function_name);
        let Some(identity) = session else { return false };
        let principal = Arc::new(Principal::of(log.account.clone(), identity));
        let call = self.doors.call_as(principal, log.region.clone());
        let FunctionLog { account, region, group, stream, .. } = log;
        let of_group = format!("arn:aws:logs:{region}:{account}:log-group:{group}");
        let of_stream = format!("{of_group}:log-stream:{stream}");
        let may = |action: &str, resource: &str| {
            let question = Question { action, resource, policy: None, keys: &[] };
            self.doors.authorise(&call, &question).is_ok()
        };
        let sink = self.doors.peeks.expect::<dyn LogSink>();
        let is_there = sink.has_group(account, region, group);
        (is_there || may("logs:CreateLogGroup", &format!("{of_group}:*")))
            && ["logs:CreateLogStream", "logs:PutLogEvents"]
                .iter()
                .all(|action| may(action, &of_stream))
    }
}

fn of(credentials: SessionCredentials) -> RoleCredentials {
    RoleCredentials {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        session_token: credentials.session_token,
    }
}
