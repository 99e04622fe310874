//! Everything about an account's identities and policies, in one listing.

use haar_iam_contract::{
    EntityType, GetAccountAuthorizationDetails, GetAccountAuthorizationDetailsRequest,
    GetAccountAuthorizationDetailsResponse, GroupDetail, ManagedPolicyDetail, Policy,
    PolicyVersion, RoleDetail, UserDetail,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use crate::lookup::paged;
use crate::rules::url_encoded;
use crate::state::{
    GroupRow, InstanceProfileRow, Named as _, PolicyRow, RoleRow, UserRow, owned, rows_of,
};
use crate::{Iam, managed, principals, render};

/// One entry, of any kind.
enum Detail {
    User(UserDetail),
    Group(GroupDetail),
    Role(RoleDetail),
    Policy(ManagedPolicyDetail),
}

impl Query<GetAccountAuthorizationDetails> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetAccountAuthorizationDetailsRequest,
    ) -> Answer<GetAccountAuthorizationDetails> {
        let filter = input.filter.unwrap_or_default();
        let wants = |kind| filter.is_empty() || filter.contains(&kind);
        let paging = (input.marker, input.max_items);
        let details = details(call, snapshot, wants);
        let page =
            paged(details, "GetAccountAuthorizationDetails", paging, |(place, _)| place.clone())?;
        let mut answer = GetAccountAuthorizationDetailsResponse {
            user_detail_list: Some(Vec::new()),
            group_detail_list: Some(Vec::new()),
            role_detail_list: Some(Vec::new()),
            policies: Some(Vec::new()),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        };
        for (_, detail) in page.items {
            match detail {
                Detail::User(user) => answer.user_detail_list.get_or_insert_default().push(user),
                Detail::Group(it) => answer.group_detail_list.get_or_insert_default().push(it),
                Detail::Role(role) => {
                    let id = role.role_id.as_ref();
                    let role_last_used = id.map(|id| self.role_last_used(snapshot, id));
                    let role = RoleDetail { role_last_used, ..role };
                    answer.role_detail_list.get_or_insert_default().push(role);
                }
                Detail::Policy(it) => answer.policies.get_or_insert_default().push(it),
            }
        }
        Ok(answer)
    }
}

/// All entries with their places: groups, AWS's policies in use, own policies, roles, users.
fn details(
    call: &Call,
    snapshot: &Snapshot,
    wants: impl Fn(EntityType) -> bool,
) -> Vec<(String, Detail)> {
    let account = &call.account;
    let mut found = Vec::new();
    let place = |kind: &str, name: &str| format!("{kind}/{}", name.to_lowercase());
    if wants(EntityType::Group) {
        for row in rows_of::<GroupRow>(snapshot, account) {
            found.push((place("group", &row.name), Detail::Group(group(&row))));
        }
    }
    if wants(EntityType::AWSManagedPolicy) {
        for policy in managed::all() {
            let shown = render::managed_policy(snapshot, account, policy);
            let used = shown.attachment_count > Some(0)
                || shown.permissions_boundary_usage_count > Some(0);
            if used {
                let versions = vec![render::managed_version(policy, true)];
                let detail = policy_detail(shown, versions);
                found.push((place("policy/aws", &policy.arn), Detail::Policy(detail)));
            }
        }
    }
    if wants(EntityType::LocalManagedPolicy) {
        for row in rows_of::<PolicyRow>(snapshot, account) {
            let versions = row.versions.keys().rev();
            let versions = versions.map(|number| render::policy_version(&row, *number, true));
            let detail = policy_detail(render::policy(snapshot, &row), versions.collect());
            found.push((place("policy/own", &row.name), Detail::Policy(detail)));
        }
    }
    if wants(EntityType::Role) {
        for row in rows_of::<RoleRow>(snapshot, account) {
            found.push((place("role", &row.name), Detail::Role(role(snapshot, &row))));
        }
    }
    if wants(EntityType::User) {
        for row in rows_of::<UserRow>(snapshot, account) {
            found.push((place("user", &row.name), Detail::User(user(snapshot, &row))));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

fn group(row: &GroupRow) -> GroupDetail {
    GroupDetail {
        path: Some(row.path.clone()),
        group_name: Some(row.name.clone()),
        group_id: Some(row.id.clone()),
        arn: Some(row.arn()),
        create_date: Some(row.created_at),
        group_policy_list: Some(render::inline_policies(&row.grants)),
        attached_managed_policies: Some(render::attached_policies(&row.grants)),
    }
}

fn user(snapshot: &Snapshot, row: &UserRow) -> UserDetail {
    let groups = row.groups.iter();
    let groups = groups.filter_map(|name| snapshot.get::<GroupRow>(&owned(&row.account, name)));
    UserDetail {
        path: Some(row.path.clone()),
        user_name: Some(row.name.clone()),
        user_id: Some(row.id.clone()),
        arn: Some(row.arn()),
        create_date: Some(row.created_at),
        user_policy_list: Some(render::inline_policies(&row.grants)),
        group_list: Some(groups.map(|group| group.name.clone()).collect()),
        attached_managed_policies: Some(render::attached_policies(&row.grants)),
        permissions_boundary: render::boundary(row.boundary.as_ref()),
        tags: Some(render::tags(&row.tags)),
    }
}

fn role(snapshot: &Snapshot, row: &RoleRow) -> RoleDetail {
    let entry = format!("{}|{}", row.account, row.name.to_lowercase());
    let profiles = snapshot.by_index::<InstanceProfileRow>("role", &entry);
    RoleDetail {
        path: Some(row.path.clone()),
        role_name: Some(row.name.clone()),
        role_id: Some(row.id.clone()),
        arn: Some(row.arn()),
        create_date: Some(row.created_at),
        assume_role_policy_document: Some(url_encoded(&principals::shown(snapshot, &row.trust))),
        instance_profile_list: Some(
            profiles.map(|profile| render::instance_profile(snapshot, &profile)).collect(),
        ),
        role_policy_list: Some(render::inline_policies(&row.grants)),
        attached_managed_policies: Some(render::attached_policies(&row.grants)),
        permissions_boundary: render::boundary(row.boundary.as_ref()),
        tags: Some(render::tags(&row.tags)),
        role_last_used: None, // of a page alone
    }
}

fn policy_detail(policy: Policy, versions: Vec<PolicyVersion>) -> ManagedPolicyDetail {
    ManagedPolicyDetail {
        policy_name: policy.policy_name,
        policy_id: policy.policy_id,
        arn: policy.arn,
        path: policy.path,
        default_version_id: policy.default_version_id,
        attachment_count: policy.attachment_count,
        permissions_boundary_usage_count: policy.permissions_boundary_usage_count,
        is_attachable: policy.is_attachable,
        description: policy.description,
        create_date: policy.create_date,
        update_date: policy.update_date,
        policy_version_list: Some(versions),
    }
}
