//! Which policies speak of an identity.

use std::sync::Arc;

use haar_iam_contract::PolicySourceType;
use haar_ledger::Snapshot;
use haar_policy::Document;

use crate::lookup::policy_text;
use crate::managed;
use crate::rules::Parsed;
use crate::state::{Grants, GroupRow, Named as _, RoleRow, UserRow, owned};

/// A policy, and where it comes from as simulations name it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) kind: PolicySourceType,
    pub(crate) text: String,
}

/// A user's own policies, then its groups'.
pub(crate) fn sources_of_user(snapshot: &Snapshot, user: &UserRow) -> Vec<Source> {
    let mut sources =
        sources(snapshot, &user.grants, &format!("user_{}", user.name), PolicySourceType::User);
    for group in &user.groups {
        if let Some(group) = snapshot.get::<GroupRow>(&owned(&user.account, group)) {
            sources.extend(sources_of_group(snapshot, &group));
        }
    }
    sources
}

/// A group's policies.
pub(crate) fn sources_of_group(snapshot: &Snapshot, group: &GroupRow) -> Vec<Source> {
    let stem = format!("group_{}", group.name);
    sources(snapshot, &group.grants, &stem, PolicySourceType::Group)
}

/// A role's policies.
pub(crate) fn sources_of_role(snapshot: &Snapshot, role: &RoleRow) -> Vec<Source> {
    let stem = format!("role_{}", role.name);
    sources(snapshot, &role.grants, &stem, PolicySourceType::Role)
}

fn sources(
    snapshot: &Snapshot,
    grants: &Grants,
    stem: &str,
    kind: PolicySourceType,
) -> Vec<Source> {
    let inline = grants.inline.iter().map(|(name, text)| Source {
        id: format!("{stem}_{name}"),
        kind,
        text: text.clone(),
    });
    let attached = grants.attached.iter().filter_map(|arn| {
        let kind = match managed::find(arn) {
            Some(_) => PolicySourceType::AwsManaged,
            None => PolicySourceType::UserManaged,
        };
        let id = arn.rsplit('/').next().unwrap_or(arn).to_owned();
        Some(Source { id, kind, text: policy_text(snapshot, arn)? })
    });
    inline.chain(attached).collect()
}

/// The document of a permissions boundary.
pub(crate) fn bounded_by(
    snapshot: &Snapshot,
    parsed: &Parsed,
    arn: Option<&str>,
) -> Option<Arc<Document>> {
    parsed.document(&policy_text(snapshot, arn?)?)
}

/// The user of an ARN.
pub(crate) fn user_of_arn(snapshot: &Snapshot, arn: &str) -> Option<Arc<UserRow>> {
    let parsed: haar_types::Arn = arn.parse().ok()?;
    let account = parsed.account().parse().ok()?;
    let name = parsed.resource().strip_prefix("user/")?.rsplit('/').next()?;
    snapshot.get::<UserRow>(&owned(&account, name)).filter(|user| user.arn() == arn)
}
