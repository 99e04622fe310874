//! Roles.

use haar_iam_contract::{
    CreateRole, CreateRoleRequest, CreateRoleResponse, DeleteRole, DeleteRoleOutput,
    DeleteRoleRequest, GetRole, GetRoleRequest, GetRoleResponse, ListRoles, ListRolesRequest,
    ListRolesResponse, Role, UpdateRole, UpdateRoleDescription, UpdateRoleDescriptionRequest,
    UpdateRoleDescriptionResponse, UpdateRoleRequest, UpdateRoleResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use crate::lookup::{find_own_role, find_role, has_path, paged};
use crate::ops::boundary::check_boundary;
use crate::ops::tag::tags_of;
use crate::ops::trust::checked_trust;
use crate::refusal::{conflict, taken};
use crate::rules::{IdKind, SESSION_SECONDS_DEFAULT, mint_id};
use crate::state::{Grants, InstanceProfileRow, LastUseRow, RoleRow, owned, rows_of};
use crate::{Iam, render};

impl Command<CreateRole> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateRoleRequest) -> Answer<CreateRole> {
        let name = &input.role_name;
        if tx.contains::<RoleRow>(&owned(&call.account, name)) {
            return Err(taken(format!("Role with name {name} already exists.")));
        }
        let trust = checked_trust(tx, &call.account, &input.assume_role_policy_document)?;
        check_boundary(tx, &call.account, input.permissions_boundary.as_deref())?;
        let row = RoleRow {
            account: call.account.clone(),
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: mint_id(&call.ids, IdKind::Role),
            created_at: call.now,
            description: input.description,
            trust,
            session_seconds_max: seconds(input.max_session_duration),
            tags: tags_of(input.tags)?,
            boundary: input.permissions_boundary,
            grants: Grants::default(),
            linked_service: None,
            name: input.role_name,
        };
        let role = Role { role_last_used: None, ..render::role(tx, &row) };
        tx.put(row);
        Ok(CreateRoleResponse { role })
    }
}

fn seconds(asked: Option<i32>) -> u32 {
    asked.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(SESSION_SECONDS_DEFAULT)
}

impl Query<GetRole> for Iam {
    fn query(&self, call: &Call, snapshot: &Snapshot, input: GetRoleRequest) -> Answer<GetRole> {
        let row = find_role(snapshot, &call.account, &input.role_name)?;
        let role_last_used = Some(self.role_last_used(snapshot, &row.id));
        Ok(GetRoleResponse { role: Role { role_last_used, ..render::role(snapshot, &row) } })
    }
}

impl Query<ListRoles> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListRolesRequest,
    ) -> Answer<ListRoles> {
        let prefix = input.path_prefix.as_deref();
        let rows = rows_of::<RoleRow>(snapshot, &call.account);
        let rows = rows.filter(|row| has_path(&**row, prefix));
        let page = paged(rows, "ListRoles", (input.marker, input.max_items), |row| {
            row.name.to_lowercase()
        })?;
        Ok(ListRolesResponse {
            roles: page.items.iter().map(|row| render::listed_role(snapshot, row)).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<UpdateRole> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: UpdateRoleRequest) -> Answer<UpdateRole> {
        let mut row = RoleRow::clone(&*find_own_role(tx, &call.account, &input.role_name)?);
        if input.description.is_some() {
            row.description = input.description;
        }
        if input.max_session_duration.is_some() {
            row.session_seconds_max = seconds(input.max_session_duration);
        }
        tx.put(row);
        Ok(UpdateRoleResponse {})
    }
}

impl Command<UpdateRoleDescription> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateRoleDescriptionRequest,
    ) -> Answer<UpdateRoleDescription> {
        let mut row = RoleRow::clone(&*find_role(tx, &call.account, &input.role_name)?);
        row.description = Some(input.description);
        let role = Some(render::listed_role(tx, &row));
        tx.put(row);
        Ok(UpdateRoleDescriptionResponse { role })
    }
}

impl Command<DeleteRole> for Iam {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteRoleRequest) -> Answer<DeleteRole> {
        let row = find_own_role(tx, &call.account, &input.role_name)?;
        let entry = format!("{}|{}", call.account, row.name.to_lowercase());
        let held_by = if tx.by_index::<InstanceProfileRow>("role", &entry).next().is_some() {
            "must remove roles from instance profile first."
        } else if !row.grants.inline.is_empty() {
            "must delete policies first."
        } else if !row.grants.attached.is_empty() {
            "must detach all policies first."
        } else {
            tx.remove::<RoleRow>(&owned(&call.account, &row.name));
            tx.remove::<LastUseRow>(&row.id);
            return Ok(DeleteRoleOutput {});
        };
        Err(conflict(format!("Cannot delete entity, {held_by}")))
    }
}
