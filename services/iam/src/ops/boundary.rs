//! Permissions boundaries of users and roles.

use haar_iam_contract::{
    DeleteRolePermissionsBoundary, DeleteRolePermissionsBoundaryOutput,
    DeleteRolePermissionsBoundaryRequest, DeleteUserPermissionsBoundary,
    DeleteUserPermissionsBoundaryOutput, DeleteUserPermissionsBoundaryRequest,
    PutRolePermissionsBoundary, PutRolePermissionsBoundaryOutput,
    PutRolePermissionsBoundaryRequest, PutUserPermissionsBoundary,
    PutUserPermissionsBoundaryOutput, PutUserPermissionsBoundaryRequest,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::{Snapshot, Tx};
use haar_types::AccountId;
use haar_wire::AwsError;

use crate::lookup::{find_own_role, find_user, policy_row};
use crate::refusal::{invalid, no_such};
use crate::state::{RoleRow, UserRow};
use crate::{Iam, managed};

/// Refuses a boundary that is no managed policy of AWS's or of the account's.
pub(crate) fn check_boundary(
    snapshot: &Snapshot,
    account: &AccountId,
    arn: Option<&str>,
) -> Result<(), AwsError> {
    let Some(arn) = arn else { return Ok(()) };
    if !arn.starts_with("arn:aws:iam::") {
        return Err(invalid(format!("ARN {arn} is not valid.")));
    }
    let own = || policy_row(snapshot, arn).is_some_and(|policy| policy.account == *account);
    match managed::find(arn).is_some() || own() {
        true => Ok(()),
        false => Err(no_such(format!("Scope ARN: {arn} does not exist or is not attachable."))),
    }
}

impl Command<PutUserPermissionsBoundary> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutUserPermissionsBoundaryRequest,
    ) -> Answer<PutUserPermissionsBoundary> {
        let row = find_user(tx, &call.account, &input.user_name)?;
        check_boundary(tx, &call.account, Some(&input.permissions_boundary))?;
        let boundary = Some(input.permissions_boundary);
        tx.put(UserRow { boundary, ..UserRow::clone(&row) });
        Ok(PutUserPermissionsBoundaryOutput {})
    }
}

impl Command<DeleteUserPermissionsBoundary> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteUserPermissionsBoundaryRequest,
    ) -> Answer<DeleteUserPermissionsBoundary> {
        let row = find_user(tx, &call.account, &input.user_name)?;
        tx.put(UserRow { boundary: None, ..UserRow::clone(&row) });
        Ok(DeleteUserPermissionsBoundaryOutput {})
    }
}

impl Command<PutRolePermissionsBoundary> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutRolePermissionsBoundaryRequest,
    ) -> Answer<PutRolePermissionsBoundary> {
        let row = find_own_role(tx, &call.account, &input.role_name)?;
        check_boundary(tx, &call.account, Some(&input.permissions_boundary))?;
        let boundary = Some(input.permissions_boundary);
        tx.put(RoleRow { boundary, ..RoleRow::clone(&row) });
        Ok(PutRolePermissionsBoundaryOutput {})
    }
}

impl Command<DeleteRolePermissionsBoundary> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteRolePermissionsBoundaryRequest,
    ) -> Answer<DeleteRolePermissionsBoundary> {
        let row = find_own_role(tx, &call.account, &input.role_name)?;
        tx.put(RoleRow { boundary: None, ..RoleRow::clone(&row) });
        Ok(DeleteRolePermissionsBoundaryOutput {})
    }
}
