//! Users.

use haar_iam_contract::{
    CreateUser, CreateUserRequest, CreateUserResponse, DeleteUser, DeleteUserOutput,
    DeleteUserRequest, GetUser, GetUserRequest, GetUserResponse, ListUsers, ListUsersRequest,
    ListUsersResponse, UpdateUser, UpdateUserOutput, UpdateUserRequest, User,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_policy::Principal;
use haar_wire::AwsError;

use crate::lookup::{find_user, has_path, paged, user_or_caller};
use crate::ops::boundary::check_boundary;
use crate::ops::tag::tags_of;
use crate::refusal::{conflict, taken};
use crate::rules::{IdKind, mint_id};
use crate::state::{
    AccessKeyRow, Grants, KeyOwner, LastUseRow, MfaRow, OfUser as _, ServiceCredentialRow,
    SigningCertificateRow, SshKeyRow, UserRow, owned, rows_of,
};
use crate::{Iam, render};

impl Command<CreateUser> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateUserRequest) -> Answer<CreateUser> {
        refuse_taken(tx, call, &input.user_name)?;
        check_boundary(tx, &call.account, input.permissions_boundary.as_deref())?;
        let row = UserRow {
            account: call.account.clone(),
            name: input.user_name,
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: mint_id(&call.ids, IdKind::User),
            created_at: call.now,
            tags: tags_of(input.tags)?,
            boundary: input.permissions_boundary,
            grants: Grants::default(),
            groups: Default::default(),
            login: None,
        };
        let user = Some(render::user(&row));
        tx.put(row);
        Ok(CreateUserResponse { user })
    }
}

impl Query<GetUser> for Iam {
    fn query(&self, call: &Call, snapshot: &Snapshot, input: GetUserRequest) -> Answer<GetUser> {
        if let (None, Principal::Root { account }) = (&input.user_name, &call.principal.identity) {
            let user = User {
                path: "/".to_owned(),
                user_id: account.to_string(),
                arn: call.principal.arn(),
                ..User::default()
            };
            return Ok(GetUserResponse { user });
        }
        let row = user_or_caller(call, snapshot, input.user_name.as_deref())?;
        Ok(GetUserResponse { user: render::user(&row) })
    }
}

impl Query<ListUsers> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListUsersRequest,
    ) -> Answer<ListUsers> {
        let prefix = input.path_prefix.as_deref();
        let rows = rows_of::<UserRow>(snapshot, &call.account);
        let rows = rows.filter(|row| has_path(&**row, prefix));
        let page = paged(rows, "ListUsers", (input.marker, input.max_items), |row| {
            row.name.to_lowercase()
        })?;
        Ok(ListUsersResponse {
            users: page.items.iter().map(|row| render::listed_user(row)).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<UpdateUser> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: UpdateUserRequest) -> Answer<UpdateUser> {
        let mut row = UserRow::clone(&*find_user(tx, &call.account, &input.user_name)?);
        if let Some(path) = input.new_path {
            row.path = path;
        }
        if let Some(name) = input.new_user_name {
            let (old, new) = (row.name.to_lowercase(), name.to_lowercase());
            if old != new {
                refuse_taken(tx, call, &name)?;
                move_keys(tx, call, &old, &new);
                tx.remove::<UserRow>(&owned(&call.account, &old));
            }
            row.name = name;
        }
        tx.put(row);
        Ok(UpdateUserOutput {})
    }
}

impl Command<DeleteUser> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteUserRequest) -> Answer<DeleteUser> {
        let row = find_user(tx, &call.account, &input.user_name)?;
        let owner = format!("{}|{}", call.account, row.name.to_lowercase());
        let has_keys = tx.by_index::<AccessKeyRow>("owner", &owner).next().is_some();
        let held_by = if has_keys {
            "must delete access keys first."
        } else if row.login.is_some() {
            "must delete login profile first."
        } else if !MfaRow::of_user(tx, &row.id).is_empty() {
            "must delete MFA device first."
        } else if !SigningCertificateRow::of_user(tx, &row.id).is_empty() {
            "must delete signing certificates first."
        } else if !SshKeyRow::of_user(tx, &row.id).is_empty() {
            "must delete SSH public keys first."
        } else if !ServiceCredentialRow::of_user(tx, &row.id).is_empty() {
            "must delete service-specific credentials first."
        } else if !row.grants.inline.is_empty() {
            "must delete policies first."
        } else if !row.grants.attached.is_empty() {
            "must detach all policies first."
        } else if !row.groups.is_empty() {
            "must remove users from group first."
        } else {
            tx.remove::<UserRow>(&owned(&call.account, &row.name));
            tx.remove::<LastUseRow>(&row.id);
            return Ok(DeleteUserOutput {});
        };
        Err(conflict(format!("Cannot delete entity, {held_by}")))
    }
}

fn refuse_taken(tx: &Tx, call: &Call, name: &str) -> Result<(), AwsError> {
    match tx.contains::<UserRow>(&owned(&call.account, name)) {
        true => Err(taken(format!("User with name {name} already exists."))),
        false => Ok(()),
    }
}

/// A renamed user keeps its access keys.
fn move_keys(tx: &mut Tx, call: &Call, old: &str, new: &str) {
    let owner = format!("{}|{old}", call.account);
    let keys: Vec<_> = tx.by_index::<AccessKeyRow>("owner", &owner).collect();
    for key in keys {
        let owner = KeyOwner::User(new.to_owned());
        tx.put(AccessKeyRow { owner, ..AccessKeyRow::clone(&key) });
    }
}
