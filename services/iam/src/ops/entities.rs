//! What a managed policy is attached to.

use haar_iam_contract::{
    EntityType, ListEntitiesForPolicy, ListEntitiesForPolicyRequest, ListEntitiesForPolicyResponse,
    PolicyGroup, PolicyRole, PolicyUsageType, PolicyUser,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use crate::lookup::{find_own_policy, has_path, paged};
use crate::state::{GroupRow, RoleRow, UserRow};
use crate::{Iam, managed};

/// One entry, of any kind.
enum Entity {
    Group(PolicyGroup),
    Role(PolicyRole),
    User(PolicyUser),
}

/// An entry and its place in the listing.
type Placed = (String, Entity);

impl Query<ListEntitiesForPolicy> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListEntitiesForPolicyRequest,
    ) -> Answer<ListEntitiesForPolicy> {
        let arn = &input.policy_arn;
        if managed::find(arn).is_none() {
            find_own_policy(snapshot, &call.account, arn)?;
        }
        let mut entities = entities(call, snapshot, &input);
        entities.sort_by(|(one, _), (other, _)| one.cmp(other));
        let scope = format!("ListEntitiesForPolicy/{arn}");
        let page =
            paged(entities, &scope, (input.marker, input.max_items), |(place, _)| place.clone())?;
        let (mut groups, mut roles, mut users) = (Vec::new(), Vec::new(), Vec::new());
        for (_, entity) in page.items {
            match entity {
                Entity::Group(group) => groups.push(group),
                Entity::Role(role) => roles.push(role),
                Entity::User(user) => users.push(user),
            }
        }
        Ok(ListEntitiesForPolicyResponse {
            policy_groups: Some(groups),
            policy_users: Some(users),
            policy_roles: Some(roles),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

/// All that has the policy attached, or is bounded by it, as the filters ask.
fn entities(call: &Call, snapshot: &Snapshot, input: &ListEntitiesForPolicyRequest) -> Vec<Placed> {
    let key = format!("{}|{}", call.account, input.policy_arn);
    let prefix = input.path_prefix.as_deref();
    let wants = |kind| input.entity_filter.is_none_or(|wanted| wanted == kind);
    let indexes: &[&'static str] = match input.policy_usage_filter {
        Some(PolicyUsageType::PermissionsPolicy) => &["attached"],
        Some(PolicyUsageType::PermissionsBoundary) => &["boundary"],
        None => &["attached", "boundary"],
    };
    let mut found: Vec<Placed> = Vec::new();
    for index in indexes {
        if wants(EntityType::Group) && *index == "attached" {
            let rows = snapshot.by_index::<GroupRow>(index, &key);
            found.extend(rows.filter(|row| has_path(&**row, prefix)).map(|row| group(&row)));
        }
        if wants(EntityType::Role) {
            let rows = snapshot.by_index::<RoleRow>(index, &key);
            found.extend(rows.filter(|row| has_path(&**row, prefix)).map(|row| role(&row)));
        }
        if wants(EntityType::User) {
            let rows = snapshot.by_index::<UserRow>(index, &key);
            found.extend(rows.filter(|row| has_path(&**row, prefix)).map(|row| user(&row)));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.dedup_by(|(one, _), (other, _)| one == other);
    found
}

fn group(row: &GroupRow) -> Placed {
    let (group_name, group_id) = (Some(row.name.clone()), Some(row.id.clone()));
    (format!("group/{}", row.id), Entity::Group(PolicyGroup { group_name, group_id }))
}

fn role(row: &RoleRow) -> Placed {
    let (role_name, role_id) = (Some(row.name.clone()), Some(row.id.clone()));
    (format!("role/{}", row.id), Entity::Role(PolicyRole { role_name, role_id }))
}

fn user(row: &UserRow) -> Placed {
    let (user_name, user_id) = (Some(row.name.clone()), Some(row.id.clone()));
    (format!("user/{}", row.id), Entity::User(PolicyUser { user_name, user_id }))
}
