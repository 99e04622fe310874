//! Giving secrets values: `PutSecretValue`, and what `CreateSecret` and `UpdateSecret` share
//! with it.

use bytes::Bytes;
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_secretsmanager_contract::peek::SecretValue;
use haar_secretsmanager_contract::{
    LimitExceededException, PutSecretValue, PutSecretValueRequest, PutSecretValueResponse,
};
use haar_wire::AwsError;

use crate::SecretsManager;
use crate::lookup::find_own;
use crate::refusal::{bad_request, exists, invalid};
use crate::render::{self, about};
use crate::state::{CURRENT, Sealed, SecretRow, VersionRow, versions};

/// Versions that are kept of a secret; older ones without a stage give way.
const VERSIONS_MAX: usize = 100;
/// Stages of a version at most.
pub(super) const STAGES_MAX: usize = 20;

/// The value that a request brings, if any: text or bytes, not both.
pub(super) fn given(
    text: Option<String>,
    binary: Option<Bytes>,
) -> Result<Option<SecretValue>, AwsError> {
    match (text, binary) {
        (Some(_), Some(_)) => Err(invalid(
            "You can't specify both a binary secret value and a string secret value in the same \
             secret.",
        )),
        (Some(text), None) => Ok(Some(SecretValue::Text(text))),
        (None, Some(bytes)) => Ok(Some(SecretValue::Binary(bytes.to_vec()))),
        (None, None) => Ok(None),
    }
}

impl SecretsManager {
    /// Makes a version of a secret and points stages at it; the same token with the same value
    /// again changes nothing. Answers the version's id; the caller writes the row.
    pub(super) fn put_version(
        &self,
        call: &Call,
        tx: &mut Tx,
        row: &mut SecretRow,
        token: Option<String>,
        value: SecretValue,
        stages: &[String],
    ) -> Result<String, AwsError> {
        let id = token.unwrap_or_else(|| call.ids.uuid());
        if let Some(known) = tx.get::<VersionRow>(&(row.arn.clone(), id.clone())) {
            return match render::value(&self.key, &known) == Some(value) {
                true => Ok(id),
                false => Err(exists(format!(
                    "You can't use ClientRequestToken {id} because that value is already in use \
                     for a version of secret {}.",
                    row.arn
                ))),
            };
        }
        let (is_binary, plain) = match &value {
            SecretValue::Text(text) => (false, text.as_bytes()),
            SecretValue::Binary(bytes) => (true, bytes.as_slice()),
        };
        let bytes = self.key.seal(&call.ids, &about(&row.arn, &id), plain);
        tx.put(VersionRow {
            key: (row.arn.clone(), id.clone()),
            sealed: Sealed { is_binary, bytes },
            created_at: call.now,
            kms_key_id: row.kms_key_id.clone(),
        });
        let is_first = !row.stages.contains_key(CURRENT);
        if is_first || stages.is_empty() {
            row.stage(CURRENT, &id);
        }
        for stage in stages {
            row.stage(stage, &id);
        }
        row.changed_at = call.now;
        let is_current = row.stages.get(CURRENT) == Some(&id);
        if let Some(rotation) = row.rotation.as_mut().filter(|_| is_current) {
            rotation.reckon(call.now);
        }
        drop_oldest(tx, row);
        Ok(id)
    }
}

/// Removes the oldest versions without a stage beyond those that are kept.
fn drop_oldest(tx: &mut Tx, row: &SecretRow) {
    let all: Vec<_> = versions(tx, &row.arn).collect();
    let excess = all.len().saturating_sub(VERSIONS_MAX);
    let mut bare: Vec<_> =
        all.into_iter().filter(|version| row.stages_of(&version.key.1).is_empty()).collect();
    bare.sort_by_key(|version| version.created_at);
    for version in bare.into_iter().take(excess) {
        tx.remove::<VersionRow>(&version.key);
    }
}

impl Command<PutSecretValue> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutSecretValueRequest,
    ) -> Answer<PutSecretValue> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        let value = given(input.secret_string, input.secret_binary)?;
        let value = value
            .ok_or_else(|| bad_request("You must provide either SecretString or SecretBinary."))?;
        let stages = input.version_stages.unwrap_or_default();
        let token = input.client_request_token;
        let id = self.put_version(call, tx, &mut row, token, value, &stages)?;
        if row.stages_of(&id).len() > STAGES_MAX {
            let text = format!("A version can have a maximum of {STAGES_MAX} staging labels.");
            return Err(LimitExceededException::message(text).into());
        }
        let output = PutSecretValueResponse {
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
            version_stages: Some(row.stages_of(&id)),
            version_id: Some(id),
        };
        tx.put(row);
        Ok(output)
    }
}
