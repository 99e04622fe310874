//! Moving stages between versions.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_secretsmanager_contract::{
    LimitExceededException, UpdateSecretVersionStage, UpdateSecretVersionStageRequest,
    UpdateSecretVersionStageResponse,
};

use super::value::STAGES_MAX;
use crate::SecretsManager;
use crate::lookup::{find_own, find_version};
use crate::refusal::invalid;
use crate::state::{CURRENT, SecretRow};

impl Command<UpdateSecretVersionStage> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateSecretVersionStageRequest,
    ) -> Answer<UpdateSecretVersionStage> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        let stage = &input.version_stage;
        let holder = row.stages.get(stage).cloned();
        let (from, to) = (input.remove_from_version_id, input.move_to_version_id);
        for id in [&from, &to].into_iter().flatten() {
            find_version(tx, &row, Some(id), None)?;
        }
        if let Some(from) = from.as_ref().filter(|from| holder.as_ref() != Some(from)) {
            let text =
                format!("The staging label {stage} is not currently attached to version {from}.");
            return Err(invalid(text));
        }
        match to {
            Some(to) => {
                if let (Some(holder), None) = (holder.filter(|holder| *holder != to), &from) {
                    return Err(invalid(format!(
                        "The parameter RemoveFromVersionId can't be empty. Staging label {stage} \
                         is currently attached to version {holder}, so you must explicitly \
                         reference that version in RemoveFromVersionId."
                    )));
                }
                row.stage(stage, &to);
                if row.stages_of(&to).len() > STAGES_MAX {
                    let text =
                        format!("A version can have a maximum of {STAGES_MAX} staging labels.");
                    return Err(LimitExceededException::message(text).into());
                }
            }
            None if stage == CURRENT => {
                return Err(invalid(format!(
                    "You can only move staging label {CURRENT} to a different secret version. It \
                     can't be completely removed."
                )));
            }
            None if from.is_none() => {
                let text = "You must specify RemoveFromVersionId, MoveToVersionId, or both.";
                return Err(invalid(text));
            }
            None => {
                row.stages.remove(stage);
            }
        }
        row.changed_at = call.now;
        let output = UpdateSecretVersionStageResponse {
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
        };
        tx.put(row);
        Ok(output)
    }
}
