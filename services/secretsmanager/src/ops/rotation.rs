//! Rotation: asked for here, done by `controllers::rotations`.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, Principal, unwritten};
use haar_lambda_contract::model::{InvocationRequest, InvocationType, Invoke};
use haar_ledger::{Snapshot, Tx};
use haar_secretsmanager_contract::{
    CancelRotateSecret, CancelRotateSecretRequest, CancelRotateSecretResponse, RotateSecret,
    RotateSecretRequest, RotateSecretResponse,
};
use haar_types::{Arn, Region, Timestamp};
use haar_wire::AwsError;

use crate::SecretsManager;
use crate::lookup::find_own;
use crate::refusal::{bad_request, exists};
use crate::render::about;
use crate::rules::schedule::Rules;
use crate::state::{CURRENT, Going, PENDING, Rotation, Sealed, SecretRow, VersionRow};

/// Who calls rotation functions.
pub(crate) const SERVICE: &str = "secretsmanager.amazonaws.com";

/// AWS docs: *Secrets Manager API Reference > RotateSecret*.
impl Flow<RotateSecret> for SecretsManager {
    async fn flow(self: Arc<Self>, call: Call, input: RotateSecretRequest) -> Answer<RotateSecret> {
        let row = find_own(&self.doors.ledger.snapshot(), &call, &input.secret_id)?;
        let wished = wish(&row, &input)?;
        self.check_function(&row, &wished.function_arn).await?;
        let committed = self.doors.ledger.transact(|tx| self.begin(tx, &call, &input))?;
        let begun = committed.durable().await.map_err(unwritten)?;
        begun.ok_or_else(|| {
            bad_request("A previous rotation isn't complete. That rotation will be reattempted.")
        })
    }
}

impl SecretsManager {
    /// Refuses a function that cannot be called. AWS docs: *Secrets Manager User Guide >
    /// Troubleshoot rotation*.
    async fn check_function(&self, row: &SecretRow, function_arn: &str) -> Result<(), AwsError> {
        let (account, region, _) = &row.key;
        let principal = Arc::new(Principal::service(account.clone(), SERVICE));
        let input = InvocationRequest {
            function_name: function_arn.to_owned(),
            invocation_type: Some(InvocationType::DryRun),
            ..InvocationRequest::default()
        };
        let region = region_of(function_arn, region);
        let answer = self.doors.call::<Invoke>(principal, &region, input).await;
        answer.map(drop).map_err(|_| {
            AwsError::access_denied(
                "Secrets Manager cannot invoke the specified Lambda function. Ensure that the \
                 function policy grants access to the principal secretsmanager.amazonaws.com.",
            )
        })
    }

    /// Notes the wish and begins. `None`: a rotation is going on; it is tried again at once.
    fn begin(
        &self,
        tx: &mut Tx,
        call: &Call,
        input: &RotateSecretRequest,
    ) -> Result<Option<RotateSecretResponse>, AwsError> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        let mut rotation = wish(&row, input)?;
        let is_trial = input.rotate_immediately == Some(false);
        let going = row.rotation.take().and_then(|rotation| rotation.going);
        // A trial is no rotation: it gives way to one.
        if let Some(trial) = going.as_ref().filter(|going| going.is_trial && !is_trial) {
            end_trial(tx, &mut row, trial);
        }
        if let Some(pending) = row.pending().cloned() {
            let going = going.unwrap_or_else(|| Going::begin(pending, false));
            rotation.going =
                Some(Going { failure_count: 0, due_at: None, is_given_up: false, ..going });
            rotation.reckon(call.now);
            row.rotation = Some(rotation);
            tx.put(row);
            return Ok(None);
        }
        let version = input.client_request_token.clone().unwrap_or_else(|| call.ids.uuid());
        if is_taken(tx, &row, &version) {
            let arn = &row.arn;
            return Err(exists(format!(
                "You can't use ClientRequestToken {version} because that value is already in use \
                 for a version of secret {arn}."
            )));
        }
        if is_trial {
            self.put_trial(tx, call, &row, &version);
        }
        start(&mut row, rotation, version.clone(), is_trial, call.now);
        let output = RotateSecretResponse {
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
            version_id: Some(version),
        };
        tx.put(row);
        Ok(Some(output))
    }

    /// Makes the version that a trial is about: the current value once more. AWS docs: *Secrets
    /// Manager API Reference > RotateSecret*.
    fn put_trial(&self, tx: &mut Tx, call: &Call, row: &SecretRow, version: &str) {
        let current = row.stages.get(CURRENT).map(|id| (row.arn.clone(), id.clone()));
        let Some(current) = current.and_then(|key| tx.get::<VersionRow>(&key)) else { return };
        let plain = self.key.open(&about(&row.arn, &current.key.1), &current.sealed.bytes);
        let Some(plain) = plain else { return };
        let bytes = self.key.seal(&call.ids, &about(&row.arn, version), &plain);
        tx.put(VersionRow {
            key: (row.arn.clone(), version.to_owned()),
            sealed: Sealed { is_binary: current.sealed.is_binary, bytes },
            created_at: call.now,
            kms_key_id: row.kms_key_id.clone(),
        });
    }
}

/// Takes a trial's version away again, unless its function gave it a stage besides.
pub(crate) fn end_trial(tx: &mut Tx, row: &mut SecretRow, trial: &Going) {
    if row.stages.get(PENDING) == Some(&trial.version) {
        row.stages.remove(PENDING);
    }
    if row.stages_of(&trial.version).is_empty() {
        tx.remove::<VersionRow>(&(row.arn.clone(), trial.version.clone()));
    }
}

/// Where a function is.
pub(crate) fn region_of(function_arn: &str, own: &Region) -> Region {
    let region = function_arn.parse::<Arn>().ok().and_then(|arn| arn.region().parse().ok());
    region.unwrap_or_else(|| own.clone())
}

/// The rotation that a request asks for: what it brings, over what was there.
fn wish(row: &SecretRow, input: &RotateSecretRequest) -> Result<Rotation, AwsError> {
    let known = row.rotation.as_ref();
    let function_arn = input.rotation_lambda_arn.clone();
    let function_arn = function_arn.or_else(|| known.map(|known| known.function_arn.clone()));
    let missing = "No Lambda rotation function ARN is associated with this secret.";
    let function_arn = function_arn.ok_or_else(|| bad_request(missing))?;
    let rules = match &input.rotation_rules {
        Some(given) => Rules::read(given)?,
        None => known.map(|known| known.rules.clone()).unwrap_or_default(),
    };
    Ok(Rotation {
        is_enabled: true,
        function_arn,
        rules,
        rotated_at: known.and_then(|known| known.rotated_at),
        next_at: None,
        going: None,
    })
}

fn is_taken(snapshot: &Snapshot, row: &SecretRow, version: &str) -> bool {
    snapshot.get::<VersionRow>(&(row.arn.clone(), version.to_owned())).is_some()
}

/// Points `AWSPENDING` at a version that is to be made.
pub(crate) fn start(
    row: &mut SecretRow,
    mut rotation: Rotation,
    version: String,
    is_trial: bool,
    now: Timestamp,
) {
    row.stages.insert(PENDING.to_owned(), version.clone());
    rotation.going = Some(Going::begin(version, is_trial));
    rotation.reckon(now);
    row.rotation = Some(rotation);
}

/// AWS docs: *Secrets Manager API Reference > CancelRotateSecret*. The stages stay where they are,
/// but for a trial's, which nobody would take up again.
impl Command<CancelRotateSecret> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CancelRotateSecretRequest,
    ) -> Answer<CancelRotateSecret> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        let Some(rotation) = &mut row.rotation else {
            return Err(bad_request(
                "You tried to enable or cancel rotation on a secret that doesn't already have a \
                 Lambda function ARN configured.",
            ));
        };
        rotation.is_enabled = false;
        rotation.next_at = None;
        let going = rotation.going.take();
        if let Some(trial) = going.as_ref().filter(|going| going.is_trial) {
            end_trial(tx, &mut row, trial);
        }
        let version_id = going.map(|going| going.version);
        let output = CancelRotateSecretResponse {
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
            version_id,
        };
        tx.put(row);
        Ok(output)
    }
}
