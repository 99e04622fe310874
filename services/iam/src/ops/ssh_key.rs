//! SSH public keys of users.

use std::sync::Arc;

use haar_iam_contract::{
    DeleteSSHPublicKey, DeleteSSHPublicKeyOutput, DeleteSSHPublicKeyRequest,
    DuplicateSSHPublicKeyException, EncodingType, GetSSHPublicKey, GetSSHPublicKeyRequest,
    GetSSHPublicKeyResponse, InvalidPublicKeyException, ListSSHPublicKeys,
    ListSSHPublicKeysRequest, ListSSHPublicKeysResponse, SSHPublicKey, SSHPublicKeyMetadata,
    UnrecognizedPublicKeyEncodingException, UpdateSSHPublicKey, UpdateSSHPublicKeyOutput,
    UpdateSSHPublicKeyRequest, UploadSSHPublicKey, UploadSSHPublicKeyRequest,
    UploadSSHPublicKeyResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::{find_user, paged};
use crate::ops::{is_active, status};
use crate::refusal::{no_such, quota};
use crate::rules::ssh::{SshError, SshKey};
use crate::rules::{IdKind, SSH_KEYS_PER_USER_MAX, mint_id};
use crate::state::{OfUser as _, SshKeyRow, UserRow};

fn refused(error: SshError) -> AwsError {
    match error {
        SshError::Unrecognised => UnrecognizedPublicKeyEncodingException::message(
            "The public key encoding format is unsupported or unrecognized.",
        )
        .into(),
        SshError::Invalid => {
            InvalidPublicKeyException::message("The public key is malformed or otherwise invalid.")
                .into()
        }
    }
}

/// A user's key.
fn find_key(snapshot: &Snapshot, user: &UserRow, id: &str) -> Result<Arc<SshKeyRow>, AwsError> {
    let row = snapshot.get::<SshKeyRow>(&id.to_owned()).filter(|row| row.user == user.id);
    row.ok_or_else(|| no_such(format!("The Public Key with id {id} cannot be found.")))
}

fn shown(row: &SshKeyRow, user: &UserRow, body: String) -> Option<SSHPublicKey> {
    Some(SSHPublicKey {
        user_name: user.name.clone(),
        ssh_public_key_id: row.id.clone(),
        fingerprint: row.fingerprint.clone(),
        ssh_public_key_body: body,
        status: status(row.is_active),
        upload_date: Some(row.uploaded_at),
    })
}

impl Command<UploadSSHPublicKey> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UploadSSHPublicKeyRequest,
    ) -> Answer<UploadSSHPublicKey> {
        let user = find_user(tx, &call.account, &input.user_name)?;
        let key = SshKey::read(&input.ssh_public_key_body).map_err(refused)?;
        let rows = SshKeyRow::of_user(tx, &user.id);
        let fingerprint = key.fingerprint();
        if rows.iter().any(|row| row.fingerprint == fingerprint) {
            let text = "The SSH public key is already associated with the user.";
            return Err(DuplicateSSHPublicKeyException::message(text).into());
        }
        if rows.len() >= SSH_KEYS_PER_USER_MAX {
            return Err(quota("SSHPublicKeysPerUser", SSH_KEYS_PER_USER_MAX));
        }
        let row = SshKeyRow {
            id: mint_id(&call.ids, IdKind::SshKey),
            user: user.id.clone(),
            body: input.ssh_public_key_body,
            is_active: true,
            uploaded_at: call.now,
            fingerprint,
        };
        let ssh_public_key = shown(&row, &user, row.body.clone());
        tx.put(row);
        Ok(UploadSSHPublicKeyResponse { ssh_public_key })
    }
}

impl Query<GetSSHPublicKey> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetSSHPublicKeyRequest,
    ) -> Answer<GetSSHPublicKey> {
        let user = find_user(snapshot, &call.account, &input.user_name)?;
        let row = find_key(snapshot, &user, &input.ssh_public_key_id)?;
        let key = SshKey::read(&row.body).map_err(refused)?;
        let body = match input.encoding {
            EncodingType::Ssh => key.ssh(),
            EncodingType::Pem => key.pem().ok_or_else(|| refused(SshError::Invalid))?,
        };
        Ok(GetSSHPublicKeyResponse { ssh_public_key: shown(&row, &user, body) })
    }
}

impl Query<ListSSHPublicKeys> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListSSHPublicKeysRequest,
    ) -> Answer<ListSSHPublicKeys> {
        let user = super::user_of_list(call, snapshot, input.user_name.as_deref())?;
        let rows = user.as_ref().map(|user| SshKeyRow::of_user(snapshot, &user.id));
        let user_name = user.map(|user| user.name.clone()).unwrap_or_default();
        let page = paged(
            rows.unwrap_or_default(),
            "ListSSHPublicKeys",
            (input.marker, input.max_items),
            |row| row.id.clone(),
        )?;
        let metadata = |row: &Arc<SshKeyRow>| SSHPublicKeyMetadata {
            user_name: user_name.clone(),
            ssh_public_key_id: row.id.clone(),
            status: status(row.is_active),
            upload_date: row.uploaded_at,
        };
        Ok(ListSSHPublicKeysResponse {
            ssh_public_keys: Some(page.items.iter().map(metadata).collect()),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<UpdateSSHPublicKey> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateSSHPublicKeyRequest,
    ) -> Answer<UpdateSSHPublicKey> {
        let user = find_user(tx, &call.account, &input.user_name)?;
        let row = find_key(tx, &user, &input.ssh_public_key_id)?;
        let is_active = is_active(&input.status)?;
        tx.put(SshKeyRow { is_active, ..SshKeyRow::clone(&row) });
        Ok(UpdateSSHPublicKeyOutput {})
    }
}

impl Command<DeleteSSHPublicKey> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteSSHPublicKeyRequest,
    ) -> Answer<DeleteSSHPublicKey> {
        let user = find_user(tx, &call.account, &input.user_name)?;
        let row = find_key(tx, &user, &input.ssh_public_key_id)?;
        tx.remove::<SshKeyRow>(&row.id);
        Ok(DeleteSSHPublicKeyOutput {})
    }
}
