//! Protection from scale-in, which a task's own programs see and ask for.
//!
//! *Developer Guide > Task scale-in protection endpoint*. As there, the calls are made in the name
//! of the task's role.

use std::sync::Arc;

use haar_ecs_contract::model::{
    Failure, GetTaskProtection, GetTaskProtectionRequest, ProtectedTask, UpdateTaskProtection,
    UpdateTaskProtectionRequest,
};
use haar_iam_contract::peek::IamPeek;
use haar_kernel::Principal;
use haar_wire::AwsError;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::Ecs;
use crate::run::http::{Asked, Reply};
use crate::state::TaskRow;

/// The protection that a program wants.
#[derive(Default)]
struct Wish {
    protection_enabled: Option<bool>,
    expires_in_minutes: Option<i32>,
}

impl Wish {
    /// Reads it as the agent does: names count whatever their case, and there are no others.
    fn read(body: &[u8]) -> serde_json::Result<Self> {
        let mut wish = Self::default();
        for (name, value) in serde_json::from_slice::<Map<String, Value>>(body)? {
            match name.to_ascii_lowercase().as_str() {
                "protectionenabled" => wish.protection_enabled = serde_json::from_value(value)?,
                "expiresinminutes" => wish.expires_in_minutes = serde_json::from_value(value)?,
                _ => return Err(serde::de::Error::custom(format!("unknown field '{name}'"))),
            }
        }
        Ok(wish)
    }
}

/// The task as ECS answers it, or why it cannot be protected.
type Told = (Option<Vec<ProtectedTask>>, Option<Vec<Failure>>);

/// The state of a task's protection (`GET`), or the state that it shall have (`PUT`).
pub(super) async fn answer(
    room: &Ecs,
    (row, role): (&TaskRow, Option<&str>),
    asked: &Asked,
) -> Option<Reply> {
    let wish = match asked.method {
        Method::GET => None,
        Method::PUT => match read(row, &asked.body) {
            Ok(wish) => Some(wish),
            Err(refusal) => return Some(refusal),
        },
        _ => return None,
    };
    let principal = role.and_then(|role| principal(room, row, role));
    let Some(principal) = principal else {
        let text = "Invalid Request: no task IAM role credentials available for task";
        let error = error(&row.key.arn(), "AccessDeniedException", text);
        return Some(Reply { status: StatusCode::FORBIDDEN, document: json!({ "error": error }) });
    };
    Some(match call(room, row, principal, wish).await {
        Ok(told) => shown(told),
        Err(refusal) => refused(row, &refusal),
    })
}

fn read(row: &TaskRow, body: &[u8]) -> Result<(bool, Option<i32>), Reply> {
    let invalid = |arn: &str, text: &str| Reply {
        status: StatusCode::BAD_REQUEST,
        document: json!({ "error": error(arn, "InvalidParameterException", text) }),
    };
    let wish = Wish::read(body)
        .map_err(|_| invalid("", "UpdateTaskProtection: failed to decode request"))?;
    let enabled = wish.protection_enabled.ok_or_else(|| {
        invalid(&row.key.arn(), "Invalid request: does not contain 'ProtectionEnabled' field")
    })?;
    Ok((enabled, wish.expires_in_minutes))
}

fn principal(room: &Ecs, row: &TaskRow, role: &str) -> Option<Arc<Principal>> {
    let iam = room.doors.peeks.get::<dyn IamPeek>()?;
    let session = iam.role_session(&room.doors.ledger.snapshot(), role, &row.key.id)?;
    Some(Arc::new(Principal::of(row.key.cluster.account.clone(), session)))
}

async fn call(
    room: &Ecs,
    row: &TaskRow,
    principal: Arc<Principal>,
    wish: Option<(bool, Option<i32>)>,
) -> Result<Told, AwsError> {
    let (cluster, region) = (row.key.cluster.arn(), &row.key.cluster.region);
    let tasks = vec![row.key.arn()];
    let Some((protection_enabled, expires_in_minutes)) = wish else {
        let input = GetTaskProtectionRequest { cluster, tasks: Some(tasks) };
        let output = room.doors.call::<GetTaskProtection>(principal, region, input).await?;
        return Ok((output.protected_tasks, output.failures));
    };
    let input =
        UpdateTaskProtectionRequest { cluster, tasks, protection_enabled, expires_in_minutes };
    let output = room.doors.call::<UpdateTaskProtection>(principal, region, input).await?;
    Ok((output.protected_tasks, output.failures))
}

fn shown((protected, failures): Told) -> Reply {
    let document = match (protected.into_iter().flatten().next(), failures) {
        (Some(task), _) => {
            let mut shown = json!({
                "ProtectionEnabled": task.protection_enabled,
                "TaskArn": task.task_arn,
            });
            if let Some(until) = task.expiration_date {
                shown["ExpirationDate"] = json!(until.iso());
            }
            json!({ "protection": shown })
        }
        (None, failures) => {
            let failure = failures.into_iter().flatten().next().unwrap_or_default();
            json!({ "failure": {
                "Arn": failure.arn, "Detail": failure.detail, "Reason": failure.reason,
            } })
        }
    };
    Reply::ok(document)
}

fn refused(row: &TaskRow, refusal: &AwsError) -> Reply {
    let error = error(&row.key.arn(), refusal.name(), refusal.message());
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Reply { status, document: json!({ "error": error }) }
}

fn error(arn: &str, code: &str, message: &str) -> Value {
    json!({ "Arn": arn, "Code": code, "Message": message })
}
