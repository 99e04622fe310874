//! Service-linked roles.

use haar_iam_contract::{
    CreateServiceLinkedRole, CreateServiceLinkedRoleRequest, CreateServiceLinkedRoleResponse,
    DeleteServiceLinkedRole, DeleteServiceLinkedRoleRequest, DeleteServiceLinkedRoleResponse,
    DeletionTaskStatusType, GetServiceLinkedRoleDeletionStatus,
    GetServiceLinkedRoleDeletionStatusRequest, GetServiceLinkedRoleDeletionStatusResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use crate::lookup::find_role;
use crate::refusal::{invalid, no_such};
use crate::rules::{IdKind, SESSION_SECONDS_DEFAULT, has_linked_roles, linked_role_name, mint_id};
use crate::state::{Grants, LastUseRow, RoleRow, owned};
use crate::{Iam, render};

impl Command<CreateServiceLinkedRole> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateServiceLinkedRoleRequest,
    ) -> Answer<CreateServiceLinkedRole> {
        let service = input.aws_service_name;
        if !has_linked_roles(&service) {
            return Err(invalid(format!("Cannot find Service Linked Role template for {service}")));
        }
        let name = linked_role_name(&service, input.custom_suffix.as_deref());
        if tx.contains::<RoleRow>(&owned(&call.account, &name)) {
            return Err(invalid(format!(
                "Service role name {name} has been taken in this account, please try a different \
                 suffix."
            )));
        }
        let row = RoleRow {
            account: call.account.clone(),
            path: format!("/aws-service-role/{service}/"),
            id: mint_id(&call.ids, IdKind::Role),
            created_at: call.now,
            description: input.description,
            trust: format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":{{"Service":["{service}"]}}}}]}}"#
            ),
            session_seconds_max: SESSION_SECONDS_DEFAULT,
            tags: Default::default(),
            boundary: None,
            grants: Grants::default(),
            linked_service: Some(service),
            name,
        };
        let role = Some(render::listed_role(tx, &row));
        tx.put(row);
        Ok(CreateServiceLinkedRoleResponse { role })
    }
}

impl Command<DeleteServiceLinkedRole> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteServiceLinkedRoleRequest,
    ) -> Answer<DeleteServiceLinkedRole> {
        let row = find_role(tx, &call.account, &input.role_name)?;
        let Some(service) = &row.linked_service else {
            let name = &row.name;
            return Err(no_such(format!("The role with name {name} is not service-linked.")));
        };
        let id = call.ids.uuid();
        let deletion_task_id = format!("task/aws-service-role/{service}/{}/{id}", row.name);
        tx.remove::<RoleRow>(&owned(&call.account, &row.name));
        tx.remove::<LastUseRow>(&row.id);
        Ok(DeleteServiceLinkedRoleResponse { deletion_task_id })
    }
}

/// *Ours*: deletion is done at once, so a task's status follows from whether the role is there.
impl Query<GetServiceLinkedRoleDeletionStatus> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetServiceLinkedRoleDeletionStatusRequest,
    ) -> Answer<GetServiceLinkedRoleDeletionStatus> {
        let id = &input.deletion_task_id;
        let parts: Vec<&str> = id.split('/').collect();
        let ["task", "aws-service-role", _, name, _] = parts.as_slice() else {
            return Err(no_such(format!("Deletion task {id} cannot be found.")));
        };
        let is_there = snapshot.contains::<RoleRow>(&owned(&call.account, name));
        let status = match is_there {
            true => DeletionTaskStatusType::NotStarted,
            false => DeletionTaskStatusType::Succeeded,
        };
        Ok(GetServiceLinkedRoleDeletionStatusResponse { status, reason: None })
    }
}
