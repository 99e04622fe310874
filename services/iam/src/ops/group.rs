//! Groups and their members.

use haar_iam_contract::{
    AddUserToGroup, AddUserToGroupOutput, AddUserToGroupRequest, CreateGroup, CreateGroupRequest,
    CreateGroupResponse, DeleteGroup, DeleteGroupOutput, DeleteGroupRequest, GetGroup,
    GetGroupRequest, GetGroupResponse, ListGroups, ListGroupsForUser, ListGroupsForUserRequest,
    ListGroupsForUserResponse, ListGroupsRequest, ListGroupsResponse, RemoveUserFromGroup,
    RemoveUserFromGroupOutput, RemoveUserFromGroupRequest, UpdateGroup, UpdateGroupOutput,
    UpdateGroupRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::AccountId;
use haar_wire::AwsError;

use crate::lookup::{find_group, find_user, has_path, paged};
use crate::refusal::{conflict, no_such, quota, taken};
use crate::rules::{GROUPS_PER_USER_MAX, IdKind, mint_id};
use crate::state::{Grants, GroupRow, UserRow, owned, rows_of};
use crate::{Iam, render};

impl Command<CreateGroup> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateGroupRequest) -> Answer<CreateGroup> {
        refuse_taken(tx, call, &input.group_name)?;
        let row = GroupRow {
            account: call.account.clone(),
            name: input.group_name,
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: mint_id(&call.ids, IdKind::Group),
            created_at: call.now,
            grants: Grants::default(),
        };
        let group = render::group(&row);
        tx.put(row);
        Ok(CreateGroupResponse { group })
    }
}

impl Query<GetGroup> for Iam {
    fn query(&self, call: &Call, snapshot: &Snapshot, input: GetGroupRequest) -> Answer<GetGroup> {
        let row = find_group(snapshot, &call.account, &input.group_name)?;
        let scope = format!("GetGroup/{}", row.id);
        let members = members(snapshot, &call.account, &row.name);
        let page = paged(members, &scope, (input.marker, input.max_items), |user| {
            user.name.to_lowercase()
        })?;
        Ok(GetGroupResponse {
            group: render::group(&row),
            users: page.items.iter().map(|user| render::listed_user(user)).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Query<ListGroups> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListGroupsRequest,
    ) -> Answer<ListGroups> {
        let prefix = input.path_prefix.as_deref();
        let rows = rows_of::<GroupRow>(snapshot, &call.account);
        let rows = rows.filter(|row| has_path(&**row, prefix));
        let page = paged(rows, "ListGroups", (input.marker, input.max_items), |row| {
            row.name.to_lowercase()
        })?;
        Ok(ListGroupsResponse {
            groups: page.items.iter().map(|row| render::group(row)).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Query<ListGroupsForUser> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListGroupsForUserRequest,
    ) -> Answer<ListGroupsForUser> {
        let user = find_user(snapshot, &call.account, &input.user_name)?;
        let key = |name: &String| owned(&call.account, name);
        let groups = user.groups.iter().filter_map(|name| snapshot.get::<GroupRow>(&key(name)));
        let scope = format!("ListGroupsForUser/{}", user.id);
        let page =
            paged(groups, &scope, (input.marker, input.max_items), |row| row.name.to_lowercase())?;
        Ok(ListGroupsForUserResponse {
            groups: page.items.iter().map(|row| render::group(row)).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<AddUserToGroup> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AddUserToGroupRequest,
    ) -> Answer<AddUserToGroup> {
        let group = find_group(tx, &call.account, &input.group_name)?;
        let mut user = UserRow::clone(&*find_user(tx, &call.account, &input.user_name)?);
        user.groups.insert(group.name.to_lowercase());
        if user.groups.len() > GROUPS_PER_USER_MAX {
            return Err(quota("GroupsPerUser", GROUPS_PER_USER_MAX));
        }
        tx.put(user);
        Ok(AddUserToGroupOutput {})
    }
}

impl Command<RemoveUserFromGroup> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemoveUserFromGroupRequest,
    ) -> Answer<RemoveUserFromGroup> {
        let group = find_group(tx, &call.account, &input.group_name)?;
        let mut user = UserRow::clone(&*find_user(tx, &call.account, &input.user_name)?);
        if !user.groups.remove(&group.name.to_lowercase()) {
            let (user, group) = (&user.name, &group.name);
            return Err(no_such(format!("User {user} not in group {group}")));
        }
        tx.put(user);
        Ok(RemoveUserFromGroupOutput {})
    }
}

impl Command<UpdateGroup> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: UpdateGroupRequest) -> Answer<UpdateGroup> {
        let mut row = GroupRow::clone(&*find_group(tx, &call.account, &input.group_name)?);
        if let Some(path) = input.new_path {
            row.path = path;
        }
        if let Some(name) = input.new_group_name {
            let (old, new) = (row.name.to_lowercase(), name.to_lowercase());
            if old != new {
                refuse_taken(tx, call, &name)?;
                move_members(tx, &call.account, &old, &new);
                tx.remove::<GroupRow>(&owned(&call.account, &old));
            }
            row.name = name;
        }
        tx.put(row);
        Ok(UpdateGroupOutput {})
    }
}

impl Command<DeleteGroup> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteGroupRequest) -> Answer<DeleteGroup> {
        let row = find_group(tx, &call.account, &input.group_name)?;
        let held_by = if !members(tx, &call.account, &row.name).is_empty() {
            "must remove users from group first."
        } else if !row.grants.inline.is_empty() {
            "must delete policies first."
        } else if !row.grants.attached.is_empty() {
            "must detach all policies first."
        } else {
            tx.remove::<GroupRow>(&owned(&call.account, &row.name));
            return Ok(DeleteGroupOutput {});
        };
        Err(conflict(format!("Cannot delete entity, {held_by}")))
    }
}

/// A group's users, by name.
fn members(snapshot: &Snapshot, account: &AccountId, group: &str) -> Vec<std::sync::Arc<UserRow>> {
    let entry = format!("{account}|{}", group.to_lowercase());
    snapshot.by_index::<UserRow>("group", &entry).collect()
}

fn move_members(tx: &mut Tx, account: &AccountId, old: &str, new: &str) {
    for user in members(tx, account, old) {
        let mut user = UserRow::clone(&user);
        user.groups.remove(old);
        user.groups.insert(new.to_owned());
        tx.put(user);
    }
}

fn refuse_taken(tx: &Tx, call: &Call, name: &str) -> Result<(), AwsError> {
    match tx.contains::<GroupRow>(&owned(&call.account, name)) {
        true => Err(taken(format!("Group with name {name} already exists."))),
        false => Ok(()),
    }
}
