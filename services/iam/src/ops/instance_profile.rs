//! Instance profiles.

use haar_iam_contract::peek::IamPeek as _;
use haar_iam_contract::{
    AddRoleToInstanceProfile, AddRoleToInstanceProfileOutput, AddRoleToInstanceProfileRequest,
    CreateInstanceProfile, CreateInstanceProfileRequest, CreateInstanceProfileResponse,
    DeleteInstanceProfile, DeleteInstanceProfileOutput, DeleteInstanceProfileRequest,
    GetInstanceProfile, GetInstanceProfileRequest, GetInstanceProfileResponse,
    ListInstanceProfiles, ListInstanceProfilesForRole, ListInstanceProfilesForRoleRequest,
    ListInstanceProfilesForRoleResponse, ListInstanceProfilesRequest, ListInstanceProfilesResponse,
    RemoveRoleFromInstanceProfile, RemoveRoleFromInstanceProfileOutput,
    RemoveRoleFromInstanceProfileRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::lookup::{find_instance_profile, find_own_role, find_role, has_path, paged};
use crate::ops::tag::tags_of;
use crate::refusal::{conflict, no_such, quota, taken};
use crate::rules::{IdKind, mint_id};
use crate::state::{InstanceProfileRow, Named as _, owned, rows_of};
use crate::{Iam, render};

impl Command<CreateInstanceProfile> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateInstanceProfileRequest,
    ) -> Answer<CreateInstanceProfile> {
        let name = input.instance_profile_name;
        if tx.contains::<InstanceProfileRow>(&owned(&call.account, &name)) {
            return Err(taken(format!("Instance Profile {name} already exists.")));
        }
        let row = InstanceProfileRow {
            account: call.account.clone(),
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: mint_id(&call.ids, IdKind::InstanceProfile),
            created_at: call.now,
            tags: tags_of(input.tags)?,
            role: None,
            name,
        };
        let instance_profile = render::instance_profile(tx, &row);
        tx.put(row);
        Ok(CreateInstanceProfileResponse { instance_profile })
    }
}

impl Query<GetInstanceProfile> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetInstanceProfileRequest,
    ) -> Answer<GetInstanceProfile> {
        let row = find_instance_profile(snapshot, &call.account, &input.instance_profile_name)?;
        let instance_profile = render::instance_profile(snapshot, &row);
        Ok(GetInstanceProfileResponse { instance_profile })
    }
}

impl Query<ListInstanceProfiles> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListInstanceProfilesRequest,
    ) -> Answer<ListInstanceProfiles> {
        let prefix = input.path_prefix.as_deref();
        let rows = rows_of::<InstanceProfileRow>(snapshot, &call.account);
        let rows = rows.filter(|row| has_path(&**row, prefix));
        let page = paged(rows, "ListInstanceProfiles", (input.marker, input.max_items), |row| {
            row.name.to_lowercase()
        })?;
        let shown = page.items.iter().map(|row| render::instance_profile(snapshot, row));
        Ok(ListInstanceProfilesResponse {
            instance_profiles: shown.collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Query<ListInstanceProfilesForRole> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListInstanceProfilesForRoleRequest,
    ) -> Answer<ListInstanceProfilesForRole> {
        let role = find_role(snapshot, &call.account, &input.role_name)?;
        let entry = format!("{}|{}", call.account, role.name.to_lowercase());
        let rows = snapshot.by_index::<InstanceProfileRow>("role", &entry);
        let scope = format!("ListInstanceProfilesForRole/{}", role.id);
        let page =
            paged(rows, &scope, (input.marker, input.max_items), |row| row.name.to_lowercase())?;
        let shown = page.items.iter().map(|row| render::instance_profile(snapshot, row));
        Ok(ListInstanceProfilesForRoleResponse {
            instance_profiles: shown.collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<AddRoleToInstanceProfile> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AddRoleToInstanceProfileRequest,
    ) -> Answer<AddRoleToInstanceProfile> {
        let row = find_instance_profile(tx, &call.account, &input.instance_profile_name)?;
        let role = find_own_role(tx, &call.account, &input.role_name)?;
        let passed = self.may_pass_role(tx, &call.principal, &role.arn(), "ec2.amazonaws.com");
        passed.map_err(AwsError::access_denied)?;
        if row.role.is_some() {
            return Err(quota("InstanceSessionsPerInstanceProfile", 1));
        }
        let role = Some(role.name.to_lowercase());
        tx.put(InstanceProfileRow { role, ..InstanceProfileRow::clone(&row) });
        Ok(AddRoleToInstanceProfileOutput {})
    }
}

impl Command<RemoveRoleFromInstanceProfile> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemoveRoleFromInstanceProfileRequest,
    ) -> Answer<RemoveRoleFromInstanceProfile> {
        let row = find_instance_profile(tx, &call.account, &input.instance_profile_name)?;
        let role = find_own_role(tx, &call.account, &input.role_name)?;
        if row.role.as_ref() != Some(&role.name.to_lowercase()) {
            let name = &role.name;
            return Err(no_such(format!("The role with name {name} cannot be found.")));
        }
        tx.put(InstanceProfileRow { role: None, ..InstanceProfileRow::clone(&row) });
        Ok(RemoveRoleFromInstanceProfileOutput {})
    }
}

impl Command<DeleteInstanceProfile> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteInstanceProfileRequest,
    ) -> Answer<DeleteInstanceProfile> {
        let row = find_instance_profile(tx, &call.account, &input.instance_profile_name)?;
        if row.role.is_some() {
            let text = "Cannot delete entity, must remove roles from instance profile first.";
            return Err(conflict(text));
        }
        tx.remove::<InstanceProfileRow>(&owned(&call.account, &row.name));
        Ok(DeleteInstanceProfileOutput {})
    }
}
