//! Rotates secrets by calling their functions, one step after the other.
//!
//! A step that was asked for may be asked for again: functions are told to bear that. A failure
//! begins the rotation anew a little later, a few times; then it waits for the schedule, or for
//! somebody to ask.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_kernel::Principal;
use haar_lambda_contract::model::{InvocationRequest, Invoke};
use haar_ledger::{ChangeSet, Snapshot, Tx};
use haar_types::Timestamp;
use serde_json::json;

use super::deletions::SecretKey;
use crate::SecretsManager;
use crate::ops::rotation::{SERVICE, end_trial, region_of, start};
use crate::state::{CURRENT, Going, Rotation, RotationStep, SecretRow};

/// How often a rotation is tried before it waits. *Ours*: AWS says several times.
const FAILURES_MAX: u32 = 5;
/// The wait after the first failure; each further one is twice as long. *Ours*.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The controller `secretsmanager.rotations`.
pub struct Rotations {
    room: Arc<SecretsManager>,
}

/// One deed of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationDeed {
    /// Begin: the time has come.
    Begin(SecretKey),
    /// Ask the function for the step that is due.
    Ask(SecretKey),
}

impl Rotations {
    /// The controller of a room's rotations.
    pub fn new(room: Arc<SecretsManager>) -> Self {
        Self { room }
    }
}

impl Controller for Rotations {
    type Key = SecretKey;
    type Step = RotationDeed;
    const NAME: &'static str = "secretsmanager.rotations";

    fn keys(&self, changes: &ChangeSet) -> Vec<SecretKey> {
        changes.keys::<SecretRow>().into_iter().map(SecretKey).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<SecretKey> {
        let rows = snapshot.all::<SecretRow>().filter(|row| row.rotation.is_some());
        rows.map(|row| SecretKey(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &SecretKey, now: Timestamp) -> Plan<RotationDeed> {
        let row = snapshot.get::<SecretRow>(&key.0).filter(|row| row.deleted.is_none());
        let rotation = row.as_ref().and_then(|row| row.rotation.as_ref());
        let Some(rotation) = rotation.filter(|rotation| rotation.is_enabled) else {
            return Plan::default();
        };
        match &rotation.going {
            Some(Going { due_at: Some(due_at), .. }) if now < *due_at => {
                Plan::default().wake_at(*due_at)
            }
            Some(going) if !going.is_given_up => Plan::step(RotationDeed::Ask(key.clone())),
            _ => match rotation.next_at {
                Some(next_at) if now >= next_at => Plan::step(RotationDeed::Begin(key.clone())),
                Some(next_at) => Plan::default().wake_at(next_at),
                None => Plan::default(),
            },
        }
    }

    async fn act(&self, step: RotationDeed, cx: &ActCx) -> Result<(), ActError> {
        match step {
            RotationDeed::Begin(key) => begin(cx, &key).await,
            RotationDeed::Ask(key) => self.ask(cx, &key).await,
        }
    }
}

/// Changes a rotation that is there, in one commit.
async fn change(
    cx: &ActCx,
    key: &SecretKey,
    change: impl FnOnce(&mut Tx, &mut SecretRow, Rotation, Timestamp) + Send,
) -> Result<(), ActError> {
    let now = cx.clock.now();
    let committed = cx.ledger.transact(|tx| {
        let row = tx.get::<SecretRow>(&key.0).filter(|row| row.deleted.is_none());
        if let Some(row) = row
            && let Some(rotation) = row.rotation.clone()
        {
            let mut row = SecretRow::clone(&row);
            change(tx, &mut row, rotation, now);
            tx.put(row);
        }
        Ok::<_, ActError>(())
    })?;
    committed.durable().await?;
    Ok(())
}

/// The schedule's turn; one that was left unfinished goes on.
async fn begin(cx: &ActCx, key: &SecretKey) -> Result<(), ActError> {
    let fresh = cx.ids.uuid();
    change(cx, key, |_, row, rotation, now| {
        let is_due = rotation.is_enabled && rotation.next_at.is_some_and(|next_at| now >= next_at);
        if is_due && rotation.going.as_ref().is_none_or(|going| going.is_given_up) {
            let version = row.pending().cloned().unwrap_or(fresh);
            start(row, rotation, version, false, now);
        }
    })
    .await
}

impl Rotations {
    async fn ask(&self, cx: &ActCx, key: &SecretKey) -> Result<(), ActError> {
        let Some(row) = cx.ledger.snapshot().get::<SecretRow>(&key.0) else { return Ok(()) };
        let Some(rotation) = &row.rotation else { return Ok(()) };
        let Some(going) = &rotation.going else { return Ok(()) };
        let outcome = self.call(cx, &row, rotation, going).await;
        if let Err(reason) = &outcome {
            let step = going.step.as_str();
            tracing::warn!(secret = row.arn, step, reason, "a rotation failed");
        }
        let again_after = self.room.doors.settings.wait(AGAIN_AFTER);
        change(cx, key, |tx, row, mut rotation, now| {
            if rotation.going.as_ref() != Some(going) {
                return; // cancelled, or asked for anew
            }
            match outcome {
                Ok(()) if going.is_trial => rotation.going = None,
                Ok(()) => advance(row, &mut rotation, going, now, again_after),
                Err(_) => {
                    let failed = failed(going, now, again_after);
                    // A trial that never succeeds is over; nothing is left to take up again.
                    let is_over = failed.is_trial && failed.is_given_up;
                    rotation.going = Some(failed).filter(|_| !is_over);
                }
            }
            if going.is_trial && rotation.going.is_none() {
                end_trial(tx, row, going);
            }
            row.rotation = Some(rotation);
        })
        .await
    }

    /// Asks the function.
    async fn call(
        &self,
        cx: &ActCx,
        row: &SecretRow,
        rotation: &Rotation,
        going: &Going,
    ) -> Result<(), String> {
        let (account, region, _) = &row.key;
        let payload = json!({
            "Step": going.step.as_str(),
            "SecretId": row.arn,
            "ClientRequestToken": going.version,
            "RotationToken": cx.ids.uuid(),
        });
        let input = InvocationRequest {
            function_name: rotation.function_arn.clone(),
            payload: Some(Bytes::from(payload.to_string())),
            ..InvocationRequest::default()
        };
        let principal = Arc::new(Principal::service(account.clone(), SERVICE));
        let region = region_of(&rotation.function_arn, region);
        let answer = self.room.doors.call::<Invoke>(principal, &region, input).await;
        let answer = answer.map_err(|error| format!("{}: {}", error.name(), error.message()))?;
        match answer.function_error {
            None => Ok(()),
            Some(kind) => Err(shown(&kind, &answer.payload.unwrap_or_default())),
        }
    }
}

/// What may be logged of an error that a function threw: its type. Its text may tell the value.
fn shown(kind: &str, thrown: &[u8]) -> String {
    let thrown: serde_json::Value = serde_json::from_slice(thrown).unwrap_or_default();
    match thrown["errorType"].as_str() {
        Some(error_type) => format!("{kind}: {error_type}"),
        None => kind.to_owned(),
    }
}

/// The step is done: the next one, or the end.
fn advance(
    row: &mut SecretRow,
    rotation: &mut Rotation,
    going: &Going,
    now: Timestamp,
    again_after: Duration,
) {
    if let Some(step) = going.step.next() {
        rotation.going = Some(Going { step, due_at: None, ..going.clone() });
        return;
    }
    if row.stages.get(CURRENT) != Some(&going.version) {
        tracing::warn!(secret = row.arn, "a rotation function left the old version current");
        rotation.going = Some(failed(going, now, again_after));
        return;
    }
    rotation.going = None;
    rotation.rotated_at = Some(now);
    rotation.reckon(now);
}

/// Anew from the first step, after a while.
fn failed(going: &Going, now: Timestamp, again_after: Duration) -> Going {
    let failure_count = going.failure_count + 1;
    let is_given_up = failure_count >= FAILURES_MAX;
    let due_at = (!is_given_up).then(|| now + again_after * (1 << (failure_count - 1)));
    let step = if going.is_trial { going.step } else { RotationStep::Create };
    Going { step, failure_count, due_at, is_given_up, ..going.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_function_throws_the_type_is_logged_alone() {
        let thrown =
            br#"{"errorMessage":"cannot set s3cret","errorType":"ValueError","trace":["s3cret"]}"#;
        assert_eq!(shown("Unhandled", thrown), "Unhandled: ValueError");
        assert_eq!(shown("Unhandled", b"s3cret"), "Unhandled");
        assert_eq!(shown("Handled", br#"{"errorType":["s3cret"]}"#), "Handled");
    }
}
