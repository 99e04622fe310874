//! Secrets themselves.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_secretsmanager_contract::{
    CreateSecret, CreateSecretRequest, CreateSecretResponse, DescribeSecret, DescribeSecretRequest,
    DescribeSecretResponse, UpdateSecret, UpdateSecretRequest, UpdateSecretResponse,
};
use haar_types::Tags;

use super::replication::{primary_of, replicate};
use super::value::given;
use crate::lookup::{find, find_any};
use crate::refusal::{bad_request, exists, replica};
use crate::rules::name;
use crate::state::{Key, SecretRow, VersionRow};
use crate::{SecretsManager, render};

impl Command<CreateSecret> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateSecretRequest,
    ) -> Answer<CreateSecret> {
        name::check(&input.name)?;
        let value = given(input.secret_string, input.secret_binary)?;
        let key: Key = (call.account.clone(), call.region.clone(), input.name.clone());
        let mut tags = Tags::new();
        name::add_tags(&mut tags, input.tags.unwrap_or_default())?;
        if let Some(old) = tx.get::<SecretRow>(&key) {
            return repeated(self, tx, &old, input.client_request_token, value);
        }
        let mut row = SecretRow {
            arn: name::mint_arn(&call.ids, &call.account, &call.region, &input.name),
            key,
            description: input.description.filter(|text| !text.is_empty()),
            kms_key_id: input.kms_key_id,
            created_at: call.now,
            changed_at: call.now,
            accessed_at: None,
            deleted: None,
            stages: Default::default(),
            policy: None,
            tags,
            rotation: None,
            replicas: Default::default(),
            primary: None,
        };
        let overwrites = input.force_overwrite_replica_secret == Some(true);
        replicate(&mut row, input.add_replica_regions.unwrap_or_default(), overwrites)?;
        let version_id = match value {
            Some(value) => {
                let token = input.client_request_token;
                Some(self.put_version(call, tx, &mut row, token, value, &[])?)
            }
            None => None,
        };
        let output = CreateSecretResponse {
            arn: Some(row.arn.clone()),
            name: Some(input.name),
            version_id,
            replication_status: render::replication(tx, &row),
        };
        tx.put(row);
        Ok(output)
    }
}

/// The same request again is answered as it was; another one of the name is refused.
fn repeated(
    room: &SecretsManager,
    tx: &Tx,
    old: &SecretRow,
    token: Option<String>,
    value: Option<haar_secretsmanager_contract::peek::SecretValue>,
) -> Answer<CreateSecret> {
    if old.deleted.is_some() {
        return Err(bad_request(
            "You can't create this secret because a secret with this name is already scheduled for \
             deletion.",
        ));
    }
    let known = token.and_then(|token| tx.get::<VersionRow>(&(old.arn.clone(), token)));
    match known.filter(|known| value.is_some() && render::value(&room.key, known) == value) {
        Some(known) => Ok(CreateSecretResponse {
            arn: Some(old.arn.clone()),
            name: Some(old.key.2.clone()),
            version_id: Some(known.key.1.clone()),
            replication_status: render::replication(tx, old),
        }),
        None => {
            let name = &old.key.2;
            Err(exists(format!("The operation failed because the secret {name} already exists.")))
        }
    }
}

impl Query<DescribeSecret> for SecretsManager {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeSecretRequest,
    ) -> Answer<DescribeSecret> {
        let row = find_any(snapshot, call, &input.secret_id)?;
        let status = render::replication(snapshot, &row);
        Ok(DescribeSecretResponse { replication_status: status, ..render::described(&row) })
    }
}

impl Command<UpdateSecret> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateSecretRequest,
    ) -> Answer<UpdateSecret> {
        let mut row = SecretRow::clone(&*find(tx, call, &input.secret_id)?);
        if row.primary.is_some() {
            return rekey(tx, row, input);
        }
        if let Some(description) = input.description {
            row.description = Some(description).filter(|text| !text.is_empty());
        }
        row.kms_key_id = input.kms_key_id.or(row.kms_key_id);
        row.changed_at = call.now;
        let version_id = match given(input.secret_string, input.secret_binary)? {
            Some(value) => {
                let token = input.client_request_token;
                Some(self.put_version(call, tx, &mut row, token, value, &[])?)
            }
            None => None,
        };
        let output = UpdateSecretResponse {
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
            version_id,
        };
        tx.put(row);
        Ok(output)
    }
}

/// The one thing that may be changed of a replica alone. AWS docs: *Secrets Manager User Guide >
/// Promote a replica secret*.
fn rekey(tx: &mut Tx, row: SecretRow, input: UpdateSecretRequest) -> Answer<UpdateSecret> {
    let changes_more = input.description.is_some()
        || input.secret_string.is_some()
        || input.secret_binary.is_some();
    let Some(key) = input.kms_key_id.filter(|_| !changes_more) else { return Err(replica()) };
    if let Some(mut primary) = primary_of(tx, &row).map(|row| SecretRow::clone(&row))
        && let Some(there) = primary.replicas.get_mut(&row.key.1)
    {
        there.kms_key_id = Some(key);
        tx.put(primary);
    }
    Ok(UpdateSecretResponse {
        arn: Some(row.arn.clone()),
        name: Some(row.key.2.clone()),
        version_id: None,
    })
}
