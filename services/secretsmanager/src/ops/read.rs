//! Reading values.

use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Answer, Call, Flow};
use haar_ledger::LedgerError;
use haar_secretsmanager_contract::peek::SecretValue;
use haar_secretsmanager_contract::{
    APIErrorType, BatchGetSecretValue, BatchGetSecretValueRequest, BatchGetSecretValueResponse,
    DecryptionFailure, GetSecretValue, GetSecretValueRequest, GetSecretValueResponse,
    SecretValueEntry,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::listing::PageAsk;
use crate::lookup::{find, find_version};
use crate::refusal::invalid;
use crate::rules::filter;
use crate::state::{SecretRow, secrets};
use crate::{SecretsManager, render};

/// `LastAccessedDate` is a day, not a moment.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Secrets of one batch at most.
const BATCH_MAX: usize = 20;

impl Flow<GetSecretValue> for SecretsManager {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetSecretValueRequest,
    ) -> Answer<GetSecretValue> {
        let snapshot = self.doors.ledger.snapshot();
        let row = find(&snapshot, &call, &input.secret_id)?;
        let (id, stage) = (input.version_id.as_deref(), input.version_stage.as_deref());
        let version = find_version(&snapshot, &row, id, stage)?;
        let value = render::value(&self.key, &version).ok_or_else(undecryptable)?;
        let (text, binary) = match value {
            SecretValue::Text(text) => (Some(text), None),
            SecretValue::Binary(bytes) => (None, Some(bytes.into())),
        };
        self.note_access(&row, call.now);
        Ok(GetSecretValueResponse {
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
            version_stages: Some(row.stages_of(&version.key.1)),
            version_id: Some(version.key.1.clone()),
            secret_binary: binary,
            secret_string: text,
            created_date: Some(version.created_at),
        })
    }
}

fn undecryptable() -> AwsError {
    let text =
        "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
    DecryptionFailure::message(text).into()
}

impl SecretsManager {
    /// Writes the day of an access, once a day; nobody waits for it to be on disk.
    fn note_access(&self, row: &SecretRow, now: Timestamp) {
        let milliseconds = i64::try_from(DAY.as_millis()).unwrap_or(1);
        let today = Timestamp(now.0 - now.0.rem_euclid(milliseconds));
        if row.accessed_at == Some(today) {
            return;
        }
        let noted = self.doors.ledger.transact(|tx| {
            tx.update::<SecretRow>(&row.key, |row| row.accessed_at = Some(today));
            Ok::<_, LedgerError>(())
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "could not note when a secret was read");
        }
    }
}

impl Flow<BatchGetSecretValue> for SecretsManager {
    /// Each secret is read as `GetSecretValue` would, under the caller's own permissions.
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: BatchGetSecretValueRequest,
    ) -> Answer<BatchGetSecretValue> {
        let filters = input.filters.unwrap_or_default();
        filter::check(&filters)?;
        let ids = input.secret_id_list.unwrap_or_default();
        let (ids, next_token) = match (ids.is_empty(), filters.is_empty()) {
            (false, true) if ids.len() > BATCH_MAX => {
                return Err(invalid(format!("A batch can have a maximum of {BATCH_MAX} secrets.")));
            }
            (false, true) => (ids, None),
            (true, false) => {
                let snapshot = self.doors.ledger.snapshot();
                let found = secrets(&snapshot, &call.account, &call.region)
                    .filter(|row| row.deleted.is_none() && filter::fits(row, &filters));
                let ask = PageAsk {
                    scope: format!(
                        "BatchGetSecretValue/{}/{}/{filters:?}",
                        call.account, call.region
                    ),
                    max_results: Some(input.max_results.unwrap_or(20).clamp(1, 20)),
                    next_token: input.next_token,
                    is_descending: false,
                };
                let (page, next_token) = ask.cut(found, |row| row.key.2.clone())?;
                (page.iter().map(|row| row.arn.clone()).collect(), next_token)
            }
            _ => return Err(invalid("Either 'SecretIdList' or 'Filters' must be provided.")),
        };
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for id in ids {
            let wanted = GetSecretValueRequest { secret_id: id.clone(), ..Default::default() };
            let principal = Arc::clone(&call.principal);
            let read = self.doors.call::<GetSecretValue>(principal, &call.region, wanted).await;
            match read {
                Ok(value) => found.push(entry(value)),
                Err(error) => errors.push(APIErrorType {
                    secret_id: Some(id),
                    error_code: Some(error.name().to_owned()),
                    message: Some(error.message().to_owned()),
                }),
            }
        }
        Ok(BatchGetSecretValueResponse {
            secret_values: Some(found),
            next_token,
            errors: Some(errors),
        })
    }
}

fn entry(value: GetSecretValueResponse) -> SecretValueEntry {
    SecretValueEntry {
        arn: value.arn,
        name: value.name,
        version_id: value.version_id,
        secret_binary: value.secret_binary,
        secret_string: value.secret_string,
        version_stages: value.version_stages,
        created_date: value.created_date,
    }
}
