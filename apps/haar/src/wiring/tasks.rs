//! What tasks of ECS need of the other rooms: images, secrets, log streams, credentials.

mod images;
mod secrets;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use haar_ecs::doors::{Credentials, LogStreams, RoleCredentials, StreamName, TaskDoors};
use haar_iam_contract::peek::{IamPeek, ServiceSession, SessionGrant};
use haar_kernel::{Auth, Doors, Principal};
use haar_logs_contract::{
    CreateLogGroup, CreateLogGroupRequest, CreateLogStream, CreateLogStreamRequest, GetLogEvents,
    GetLogEventsRequest,
};
use haar_registry::Registries;
use haar_types::{AccountId, Timestamp};

use super::api::Api;
use images::TaskImages;
use secrets::TaskSecrets;

/// Who reads and writes for tasks.
const SERVICE: &str = "ecs-tasks.amazonaws.com";

/// How long a task's credentials are good; SDKs ask again before. *Developer Guide > Task IAM
/// role*: one to six hours.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// Events that are read at once when a log goes on after a restart.
const PAGE: i32 = 10_000;

/// All doors of tasks.
pub(crate) fn doors(
    doors: &Doors,
    iam: Arc<dyn IamPeek>,
    api: Arc<Api>,
    registries: Arc<Registries>,
) -> TaskDoors {
    let neighbours = Arc::new(Neighbours { doors: doors.clone(), iam: Arc::clone(&iam) });
    TaskDoors {
        images: Arc::new(TaskImages { doors: doors.clone(), iam: Arc::clone(&iam), registries }),
        secrets: Arc::new(TaskSecrets { doors: doors.clone(), iam }),
        logs: Arc::clone(&neighbours) as _,
        credentials: neighbours,
        api,
        serves_inside: true,
    }
}

/// The rooms beside ECS.
struct Neighbours {
    doors: Doors,
    iam: Arc<dyn IamPeek>,
}

/// The principal of a role's session, or the account's where no role is named.
fn caller(
    doors: &Doors,
    iam: &dyn IamPeek,
    account: &AccountId,
    role: Option<&str>,
) -> Result<Arc<Principal>, String> {
    let Some(role) = role else { return Ok(Arc::new(Principal::root(account.clone()))) };
    let session = iam.role_session(&doors.ledger.snapshot(), role, "ecs-execution");
    let identity = session.ok_or_else(|| format!("the role {role} cannot be assumed"))?;
    Ok(Arc::new(Principal::of(account.clone(), identity)))
}

#[async_trait]
impl LogStreams for Neighbours {
    async fn ensure(
        &self,
        stream: &StreamName,
        create_group: bool,
        execution_role: Option<&str>,
    ) -> Result<(), String> {
        let principal = match self.doors.settings.auth {
            Auth::Enforce => caller(&self.doors, &*self.iam, &stream.account, execution_role)?,
            Auth::Permissive => Arc::new(Principal::root(stream.account.clone())),
        };
        let call = |error: haar_wire::AwsError| format!("{}: {}", error.name(), error.message());
        let exists = |error: &haar_wire::AwsError| error.name() == "ResourceAlreadyExistsException";
        if create_group {
            let log_group_name = stream.group.clone();
            let input = CreateLogGroupRequest { log_group_name, ..Default::default() };
            let region = &stream.region;
            match self.doors.call::<CreateLogGroup>(Arc::clone(&principal), region, input).await {
                Err(error) if !exists(&error) => return Err(call(error)),
                _ => {}
            }
        }
        let input = CreateLogStreamRequest {
            log_group_name: stream.group.clone(),
            log_stream_name: stream.stream.clone(),
        };
        match self.doors.call::<CreateLogStream>(principal, &stream.region, input).await {
            Err(error) if !exists(&error) => Err(call(error)),
            _ => Ok(()),
        }
    }

    async fn events_since(&self, stream: &StreamName, from: Timestamp) -> Vec<(Timestamp, String)> {
        // haar's own look at what it has written
        let principal = Arc::new(Principal::root(stream.account.clone()));
        let (mut events, mut token) = (Vec::new(), None);
        loop {
            let input = GetLogEventsRequest {
                log_group_name: Some(stream.group.clone()),
                log_stream_name: stream.stream.clone(),
                start_time: Some(from.0),
                limit: Some(PAGE),
                start_from_head: Some(true),
                next_token: token.clone(),
                ..Default::default()
            };
            let page =
                self.doors.call::<GetLogEvents>(Arc::clone(&principal), &stream.region, input);
            let Ok(page) = page.await else { return events };
            for event in page.events.into_iter().flatten() {
                if let (Some(at), Some(message)) = (event.timestamp, event.message) {
                    events.push((Timestamp(at), message));
                }
            }
            if page.next_forward_token == token {
                return events;
            }
            token = page.next_forward_token;
        }
    }
}

impl Credentials for Neighbours {
    fn mint(&self, account: &AccountId, role_arn: &str, session: &str) -> Option<RoleCredentials> {
        let (snapshot, ids) = (self.doors.ledger.snapshot(), self.doors.ids.ids());
        let now = self.doors.clock.machine().now(); // a moved clock ends no session
        let wanted = ServiceSession {
            role_arn,
            service: SERVICE,
            session_name: session,
            lifetime: LIFETIME,
        };
        let minted = match self.iam.service_session(&snapshot, &ids, &wanted, now) {
            Ok(minted) => minted,
            Err(_) if self.doors.settings.auth == Auth::Enforce => return None,
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
                self.iam.mint(&ids, &grant)
            }
        };
        tracing::debug!(%account, %role_arn, "a task has new credentials");
        Some(RoleCredentials {
            access_key_id: minted.access_key_id,
            secret_access_key: minted.secret_access_key,
            session_token: minted.session_token,
            expires_at: minted.expires_at,
        })
    }
}
