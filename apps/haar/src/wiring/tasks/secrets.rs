//! Values that tasks' `secrets` name, read as the execution role may.

use std::sync::Arc;

use async_trait::async_trait;
use haar_ecs::doors::Secrets;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Auth, Doors};
use haar_s3_contract::model::{GetObject, GetObjectRequest};
use haar_secretsmanager_contract::peek::SecretsPeek;
use haar_secretsmanager_contract::{GetSecretValue, GetSecretValueRequest};
use haar_ssm_contract::peek::SsmPeek;
use haar_ssm_contract::{GetParameters, GetParametersRequest};
use haar_types::{AccountId, Region};
use haar_wire::AwsError;

/// Parameter Store and Secrets Manager, for tasks.
pub(super) struct TaskSecrets {
    pub(super) doors: Doors,
    pub(super) iam: Arc<dyn IamPeek>,
}

#[async_trait]
impl Secrets for TaskSecrets {
    async fn read(
        &self,
        account: &AccountId,
        region: &Region,
        execution_role: Option<&str>,
        value_from: &str,
    ) -> Result<String, String> {
        if self.doors.settings.auth == Auth::Enforce {
            self.check((account, region), execution_role, value_from).await?;
        }
        let snapshot = self.doors.ledger.snapshot();
        if is_secret(value_from) {
            let secrets = self.doors.peeks.expect::<dyn SecretsPeek>();
            let value = secrets.value_from(&snapshot, (account, region), value_from);
            return value.map_err(|error| {
                format!("failed to fetch secret {value_from} from secrets manager: {error}")
            });
        }
        let parameters = self.doors.peeks.expect::<dyn SsmPeek>();
        let value = parameters.value(&snapshot, account, region, value_from);
        value.map_err(|error| format!("{value_from}: {error}"))
    }

    async fn file(
        &self,
        account: &AccountId,
        region: &Region,
        execution_role: Option<&str>,
        arn: &str,
    ) -> Result<String, String> {
        let path = arn.strip_prefix("arn:aws:s3:::").and_then(|path| path.split_once('/'));
        let (bucket, key) = path.ok_or_else(|| format!("{arn} names no object"))?;
        let caller = super::caller(&self.doors, &*self.iam, account, execution_role)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let input = GetObjectRequest { bucket, key, ..Default::default() };
        let told = |error: AwsError| format!("{}: {}", error.code(), error.message());
        let read = self.doors.call::<GetObject>(caller, region, input).await.map_err(told)?;
        let bytes = haar_s3_contract::whole(read, FILE_BYTES_MAX).await.map_err(told)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("{arn} is no text"))
    }
}

/// Most bytes of an environment file. *Ours*.
const FILE_BYTES_MAX: usize = 1 << 20;

impl TaskSecrets {
    /// Asks as the role does, through the same gate as everybody; what is not there is told by
    /// whoever reads it.
    async fn check(
        &self,
        (account, region): (&AccountId, &Region),
        execution_role: Option<&str>,
        value_from: &str,
    ) -> Result<(), String> {
        if execution_role.is_none() {
            return Err("the task has no execution role".to_owned());
        }
        let caller = super::caller(&self.doors, &*self.iam, account, execution_role)?;
        let refused = if is_secret(value_from) {
            let secret_id = arn_of(value_from);
            let input = GetSecretValueRequest { secret_id, ..Default::default() };
            self.doors.call::<GetSecretValue>(caller, region, input).await.err()
        } else {
            let names = vec![value_from.to_owned()];
            let input = GetParametersRequest { names, with_decryption: Some(true) };
            self.doors.call::<GetParameters>(caller, region, input).await.err()
        };
        let denied = refused.filter(|error| error.name() == "AccessDeniedException");
        denied.map_or(Ok(()), |error| Err(words(value_from, &error)))
    }
}

fn words(value_from: &str, error: &AwsError) -> String {
    let said = format!("{}: {}", error.name(), error.message());
    match is_secret(value_from) {
        true => format!("failed to fetch secret {value_from} from secrets manager: {said}"),
        false => said,
    }
}

fn is_secret(value_from: &str) -> bool {
    value_from.contains(":secretsmanager:")
}

/// The secret's own ARN, without what says which part of it is wanted.
fn arn_of(value_from: &str) -> String {
    value_from.split(':').take(7).collect::<Vec<_>>().join(":")
}
