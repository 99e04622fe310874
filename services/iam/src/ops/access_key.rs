//! Access keys.

use haar_iam_contract::{
    AccessKey, AccessKeyLastUsed, AccessKeyMetadata, CreateAccessKey, CreateAccessKeyRequest,
    CreateAccessKeyResponse, DeleteAccessKey, DeleteAccessKeyOutput, DeleteAccessKeyRequest,
    GetAccessKeyLastUsed, GetAccessKeyLastUsedRequest, GetAccessKeyLastUsedResponse,
    ListAccessKeys, ListAccessKeysRequest, ListAccessKeysResponse, UpdateAccessKey,
    UpdateAccessKeyOutput, UpdateAccessKeyRequest,
};
use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_policy::Principal;
use haar_types::AccountId;
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::{paged, user_or_caller};
use crate::ops::{is_active, status};
use crate::refusal::{no_such, quota};
use crate::rules::{KEYS_PER_USER_MAX, mint_access_key_id, mint_secret};
use crate::state::{AccessKeyRow, AccessKeyUseRow, KeyOwner, UserRow, owned};

/// Whose keys a request is about: a user's, or the root's own.
fn owner_of(call: &Call, snapshot: &Snapshot, name: Option<&str>) -> Result<KeyOwner, AwsError> {
    if let (None, Principal::Root { .. }) = (name, &call.principal.identity) {
        return Ok(KeyOwner::Root);
    }
    let user = user_or_caller(call, snapshot, name)?;
    Ok(KeyOwner::User(user.name.to_lowercase()))
}

fn keys_of(snapshot: &Snapshot, account: &AccountId, owner: &KeyOwner) -> Vec<Arc<AccessKeyRow>> {
    let name = match owner {
        KeyOwner::Root => "",
        KeyOwner::User(name) => name,
    };
    snapshot.by_index::<AccessKeyRow>("owner", &format!("{account}|{name}")).collect()
}

/// The owner's name as it was given.
fn shown(snapshot: &Snapshot, account: &AccountId, owner: &KeyOwner) -> Option<String> {
    let KeyOwner::User(name) = owner else { return None };
    Some(snapshot.get::<UserRow>(&owned(account, name))?.name.clone())
}

fn find_key(
    snapshot: &Snapshot,
    call: &Call,
    owner: &KeyOwner,
    id: &str,
) -> Result<AccessKeyRow, AwsError> {
    let key = snapshot.get::<AccessKeyRow>(&id.to_owned());
    let own = key.filter(|key| key.account == call.account && key.owner == *owner);
    let missing = || no_such(format!("The Access Key with id {id} cannot be found."));
    own.map(|key| AccessKeyRow::clone(&key)).ok_or_else(missing)
}

impl Command<CreateAccessKey> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateAccessKeyRequest,
    ) -> Answer<CreateAccessKey> {
        let owner = owner_of(call, tx, input.user_name.as_deref())?;
        if keys_of(tx, &call.account, &owner).len() >= KEYS_PER_USER_MAX {
            return Err(quota("AccessKeysPerUser", KEYS_PER_USER_MAX));
        }
        let row = AccessKeyRow {
            id: mint_access_key_id(&call.ids, "AKIA", &call.account),
            account: call.account.clone(),
            secret: mint_secret(&call.ids),
            is_active: true,
            created_at: call.now,
            owner,
        };
        let access_key = AccessKey {
            user_name: shown(tx, &call.account, &row.owner).unwrap_or_default(),
            access_key_id: row.id.clone(),
            status: status(row.is_active),
            secret_access_key: row.secret.clone(),
            create_date: Some(row.created_at),
        };
        tx.put(row);
        Ok(CreateAccessKeyResponse { access_key })
    }
}

impl Query<ListAccessKeys> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListAccessKeysRequest,
    ) -> Answer<ListAccessKeys> {
        let owner = owner_of(call, snapshot, input.user_name.as_deref())?;
        let user_name = shown(snapshot, &call.account, &owner);
        let keys = keys_of(snapshot, &call.account, &owner);
        let page =
            paged(keys, "ListAccessKeys", (input.marker, input.max_items), |key| key.id.clone())?;
        let metadata = |key: &Arc<AccessKeyRow>| AccessKeyMetadata {
            user_name: user_name.clone(),
            access_key_id: Some(key.id.clone()),
            status: Some(status(key.is_active)),
            create_date: Some(key.created_at),
        };
        Ok(ListAccessKeysResponse {
            access_key_metadata: page.items.iter().map(metadata).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<UpdateAccessKey> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateAccessKeyRequest,
    ) -> Answer<UpdateAccessKey> {
        let owner = owner_of(call, tx, input.user_name.as_deref())?;
        let row = find_key(tx, call, &owner, &input.access_key_id)?;
        let is_active = is_active(&input.status)?;
        tx.put(AccessKeyRow { is_active, ..row });
        Ok(UpdateAccessKeyOutput {})
    }
}

impl Command<DeleteAccessKey> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteAccessKeyRequest,
    ) -> Answer<DeleteAccessKey> {
        let owner = owner_of(call, tx, input.user_name.as_deref())?;
        let row = find_key(tx, call, &owner, &input.access_key_id)?;
        tx.remove::<AccessKeyRow>(&row.id);
        tx.remove::<AccessKeyUseRow>(&row.id);
        Ok(DeleteAccessKeyOutput {})
    }
}

impl Query<GetAccessKeyLastUsed> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetAccessKeyLastUsedRequest,
    ) -> Answer<GetAccessKeyLastUsed> {
        let id = &input.access_key_id;
        let key = snapshot.get::<AccessKeyRow>(id).filter(|key| key.account == call.account);
        let missing = || no_such(format!("The Access Key with id {id} cannot be found."));
        let key = key.ok_or_else(missing)?;
        let used = snapshot.get::<AccessKeyUseRow>(id);
        let last_used = match used {
            Some(used) => AccessKeyLastUsed {
                last_used_date: Some(used.used_at),
                service_name: used.service.clone(),
                region: used.region.clone(),
            },
            None => AccessKeyLastUsed {
                last_used_date: None,
                service_name: "N/A".to_owned(),
                region: "N/A".to_owned(),
            },
        };
        Ok(GetAccessKeyLastUsedResponse {
            user_name: shown(snapshot, &call.account, &key.owner),
            access_key_last_used: Some(last_used),
        })
    }
}
