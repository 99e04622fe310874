//! Rows as IAM shows them.

use haar_iam_contract::{
    AttachedPermissionsBoundary, AttachedPolicy, Group, InstanceProfile,
    PermissionsBoundaryAttachmentType, Policy, PolicyDetail, PolicyVersion, Role, RoleLastUsed,
    Tag, User,
};
use haar_ledger::Snapshot;
use haar_types::{AccountId, Tags};

use crate::managed::ManagedPolicy;
use crate::principals;
use crate::rules::url_encoded;
use crate::state::{
    self, Grants, GroupRow, InstanceProfileRow, Named as _, PolicyRow, RoleRow, UserRow,
};

pub(crate) fn tags(tags: &Tags) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
    tags.iter().map(tag).collect()
}

/// Tags are left out where there are none.
pub(crate) fn some_tags(row: &Tags) -> Option<Vec<Tag>> {
    (!row.is_empty()).then(|| tags(row))
}

pub(crate) fn boundary(arn: Option<&String>) -> Option<AttachedPermissionsBoundary> {
    Some(AttachedPermissionsBoundary {
        permissions_boundary_type: Some(
            PermissionsBoundaryAttachmentType::PermissionsBoundaryPolicy,
        ),
        permissions_boundary_arn: Some(arn?.clone()),
    })
}

/// A user, without tags and boundary as listings show it.
pub(crate) fn listed_user(row: &UserRow) -> User {
    User {
        path: row.path.clone(),
        user_name: row.name.clone(),
        user_id: row.id.clone(),
        arn: row.arn(),
        create_date: row.created_at,
        ..User::default()
    }
}

pub(crate) fn user(row: &UserRow) -> User {
    User {
        permissions_boundary: boundary(row.boundary.as_ref()),
        tags: some_tags(&row.tags),
        ..listed_user(row)
    }
}

pub(crate) fn group(row: &GroupRow) -> Group {
    Group {
        path: row.path.clone(),
        group_name: row.name.clone(),
        group_id: row.id.clone(),
        arn: row.arn(),
        create_date: row.created_at,
    }
}

/// A role, without tags, boundary and last use as listings show it.
pub(crate) fn listed_role(snapshot: &Snapshot, row: &RoleRow) -> Role {
    Role {
        path: row.path.clone(),
        role_name: row.name.clone(),
        role_id: row.id.clone(),
        arn: row.arn(),
        create_date: row.created_at,
        assume_role_policy_document: Some(url_encoded(&principals::shown(snapshot, &row.trust))),
        description: row.description.clone(),
        max_session_duration: i32::try_from(row.session_seconds_max).ok(),
        ..Role::default()
    }
}

pub(crate) fn role(snapshot: &Snapshot, row: &RoleRow) -> Role {
    Role {
        permissions_boundary: boundary(row.boundary.as_ref()),
        tags: some_tags(&row.tags),
        role_last_used: Some(RoleLastUsed::default()),
        ..listed_role(snapshot, row)
    }
}

pub(crate) fn instance_profile(snapshot: &Snapshot, row: &InstanceProfileRow) -> InstanceProfile {
    let role = row
        .role
        .as_ref()
        .and_then(|name| snapshot.get::<RoleRow>(&state::owned(&row.account, name)));
    InstanceProfile {
        path: row.path.clone(),
        instance_profile_name: row.name.clone(),
        instance_profile_id: row.id.clone(),
        arn: row.arn(),
        create_date: row.created_at,
        roles: role.iter().map(|role| listed_role(snapshot, role)).collect(),
        tags: some_tags(&row.tags),
    }
}

/// How many identities of an account a policy is attached to.
pub(crate) fn attachment_count(snapshot: &Snapshot, account: &AccountId, arn: &str) -> usize {
    let key = format!("{account}|{arn}");
    snapshot.by_index::<UserRow>("attached", &key).count()
        + snapshot.by_index::<GroupRow>("attached", &key).count()
        + snapshot.by_index::<RoleRow>("attached", &key).count()
}

/// How many identities of an account a policy bounds.
pub(crate) fn boundary_count(snapshot: &Snapshot, account: &AccountId, arn: &str) -> usize {
    let key = format!("{account}|{arn}");
    snapshot.by_index::<UserRow>("boundary", &key).count()
        + snapshot.by_index::<RoleRow>("boundary", &key).count()
}

pub(crate) fn count(count: usize) -> Option<i32> {
    Some(i32::try_from(count).unwrap_or(i32::MAX))
}

/// A customer's policy, without description and tags as listings show it.
pub(crate) fn listed_policy(snapshot: &Snapshot, row: &PolicyRow) -> Policy {
    let arn = row.arn();
    Policy {
        policy_name: Some(row.name.clone()),
        policy_id: Some(row.id.clone()),
        path: Some(row.path.clone()),
        default_version_id: Some(format!("v{}", row.default_version)),
        attachment_count: count(attachment_count(snapshot, &row.account, &arn)),
        permissions_boundary_usage_count: count(boundary_count(snapshot, &row.account, &arn)),
        is_attachable: Some(true),
        create_date: Some(row.created_at),
        update_date: Some(row.updated_at),
        arn: Some(arn),
        ..Policy::default()
    }
}

pub(crate) fn policy(snapshot: &Snapshot, row: &PolicyRow) -> Policy {
    Policy {
        description: row.description.clone(),
        tags: Some(tags(&row.tags)),
        ..listed_policy(snapshot, row)
    }
}

/// One of AWS's policies, as an account sees it.
pub(crate) fn managed_policy(
    snapshot: &Snapshot,
    account: &AccountId,
    policy: &ManagedPolicy,
) -> Policy {
    Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn.clone()),
        path: Some(policy.path.clone()),
        default_version_id: Some(format!("v{}", policy.version)),
        attachment_count: count(attachment_count(snapshot, account, &policy.arn)),
        permissions_boundary_usage_count: count(boundary_count(snapshot, account, &policy.arn)),
        is_attachable: Some(true),
        description: None,
        create_date: Some(policy.created_at),
        update_date: Some(policy.created_at),
        tags: None,
    }
}

pub(crate) fn policy_version(row: &PolicyRow, number: u32, with_text: bool) -> PolicyVersion {
    let version = row.versions.get(&number);
    let text = version.filter(|_| with_text).map(|version| url_encoded(&version.document));
    PolicyVersion {
        document: text,
        version_id: Some(format!("v{number}")),
        is_default_version: Some(number == row.default_version),
        create_date: version.map(|version| version.created_at),
    }
}

/// The only version of one of AWS's policies.
pub(crate) fn managed_version(policy: &ManagedPolicy, with_text: bool) -> PolicyVersion {
    PolicyVersion {
        document: with_text.then(|| url_encoded(&policy.document)),
        version_id: Some(format!("v{}", policy.version)),
        is_default_version: Some(true),
        create_date: Some(policy.created_at),
    }
}

/// A managed policy by its ARN, whose last part is its name.
pub(crate) fn attached(arn: &str) -> AttachedPolicy {
    AttachedPolicy {
        policy_name: arn.rsplit('/').next().map(str::to_owned),
        policy_arn: Some(arn.to_owned()),
    }
}

pub(crate) fn attached_policies(grants: &Grants) -> Vec<AttachedPolicy> {
    grants.attached.iter().map(|arn| attached(arn)).collect()
}

pub(crate) fn inline_policies(grants: &Grants) -> Vec<PolicyDetail> {
    let detail = |(name, text): (&String, &String)| PolicyDetail {
        policy_name: Some(name.clone()),
        policy_document: Some(url_encoded(text)),
    };
    grants.inline.iter().map(detail).collect()
}
