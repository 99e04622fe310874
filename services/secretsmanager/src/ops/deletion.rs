//! Deleting secrets, and getting them back.

use std::time::Duration;

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_secretsmanager_contract::{
    DeleteSecret, DeleteSecretRequest, DeleteSecretResponse, RestoreSecret, RestoreSecretRequest,
    RestoreSecretResponse,
};
use haar_types::Region;

use crate::SecretsManager;
use crate::lookup::find_primary;
use crate::refusal::{bad_request, invalid};
use crate::rules::name;
use crate::state::{SecretRow, remove};

/// Days in which a deleted secret can be had back.
const WINDOW_DEFAULT: i64 = 30;
const NOT_FOUND: &str = "ResourceNotFoundException";
const WINDOW: std::ops::RangeInclusive<i64> = 7..=30;

impl Command<DeleteSecret> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteSecretRequest,
    ) -> Answer<DeleteSecret> {
        let force = input.force_delete_without_recovery == Some(true);
        if force && input.recovery_window_in_days.is_some() {
            return Err(invalid(
                "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
            ));
        }
        let days = input.recovery_window_in_days.unwrap_or(WINDOW_DEFAULT);
        if !WINDOW.contains(&days) {
            let text = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).";
            return Err(invalid(text));
        }
        let row = match find_primary(tx, call, &input.secret_id) {
            // To force away what is not there succeeds.
            Err(error)
                if force && error.name() == NOT_FOUND && !input.secret_id.starts_with("arn:") =>
            {
                let id = input.secret_id;
                return Ok(DeleteSecretResponse {
                    arn: Some(name::mint_arn(&call.ids, &call.account, &call.region, &id)),
                    name: Some(id),
                    deletion_date: Some(call.now),
                });
            }
            found => found?,
        };
        if !row.replicas.is_empty() {
            let regions: Vec<_> = row.replicas.keys().map(Region::as_str).collect();
            return Err(invalid(format!(
                "You can't delete secret {} that still has replica regions [{}].",
                row.arn,
                regions.join(", ")
            )));
        }
        let mut output = DeleteSecretResponse {
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
            deletion_date: Some(call.now),
        };
        if force {
            remove(tx, &row.key);
            return Ok(output);
        }
        if row.deleted.is_some() {
            return Err(bad_request(
                "You tried to perform the operation on a secret that's currently marked deleted.",
            ));
        }
        let window = Duration::from_secs(u64::try_from(days).unwrap_or(0) * 24 * 3600);
        let gone_at = call.now + self.doors.settings.wait(window);
        output.deletion_date = Some(gone_at);
        tx.put(SecretRow { deleted: Some((call.now, gone_at)), ..SecretRow::clone(&row) });
        Ok(output)
    }
}

impl Command<RestoreSecret> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RestoreSecretRequest,
    ) -> Answer<RestoreSecret> {
        let row = find_primary(tx, call, &input.secret_id)?;
        let output =
            RestoreSecretResponse { arn: Some(row.arn.clone()), name: Some(row.key.2.clone()) };
        tx.put(SecretRow { deleted: None, ..SecretRow::clone(&row) });
        Ok(output)
    }
}
