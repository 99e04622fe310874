//! Which of an identity's policies let it use a service.

use haar_iam_contract::{
    ListPoliciesGrantingServiceAccess, ListPoliciesGrantingServiceAccessEntry,
    ListPoliciesGrantingServiceAccessRequest, ListPoliciesGrantingServiceAccessResponse,
    PolicyGrantingServiceAccess, PolicyOwnerEntityType, PolicyType,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::Iam;
use crate::entity::Entity;
use crate::lookup::{paged, policy_text};
use crate::rules::granting::grants_service;
use crate::state::{Grants, GroupRow, owned};

/// An identity's policies, and whose they are.
struct Held {
    grants: Grants,
    kind: PolicyOwnerEntityType,
    name: String,
}

/// The policies of an ARN's entity, and of a user's groups behind it.
fn held_by(call: &Call, snapshot: &Snapshot, arn: &str) -> Result<Vec<Held>, AwsError> {
    let account = &call.account;
    let of_group = |group: &GroupRow| Held {
        grants: group.grants.clone(),
        kind: PolicyOwnerEntityType::Group,
        name: group.name.clone(),
    };
    Ok(match Entity::find(snapshot, account, arn)? {
        Entity::User(user) => {
            let groups = user.groups.iter();
            let groups = groups.filter_map(|it| snapshot.get::<GroupRow>(&owned(account, it)));
            let own = Held {
                grants: user.grants.clone(),
                kind: PolicyOwnerEntityType::User,
                name: user.name.clone(),
            };
            std::iter::once(own).chain(groups.map(|group| of_group(&group))).collect()
        }
        Entity::Role(role) => {
            let (grants, name) = (role.grants.clone(), role.name.clone());
            vec![Held { grants, kind: PolicyOwnerEntityType::Role, name }]
        }
        Entity::Group(group) => vec![of_group(&group)],
    })
}

/// The policies that grant a service, managed ones once each.
fn granting(
    snapshot: &Snapshot,
    held: &[Held],
    namespace: &str,
) -> Vec<PolicyGrantingServiceAccess> {
    let mut found: Vec<PolicyGrantingServiceAccess> = Vec::new();
    for Held { grants, kind, name } in held {
        let inline = grants.inline.iter().filter(|(_, text)| grants_service(text, namespace));
        found.extend(inline.map(|(policy, _)| PolicyGrantingServiceAccess {
            policy_name: policy.clone(),
            policy_type: PolicyType::Inline,
            entity_type: Some(*kind),
            entity_name: Some(name.clone()),
            policy_arn: None,
        }));
        for arn in &grants.attached {
            let is_new = !found.iter().any(|one| one.policy_arn.as_ref() == Some(arn));
            let text = policy_text(snapshot, arn).filter(|_| is_new);
            if text.is_some_and(|text| grants_service(&text, namespace)) {
                found.push(PolicyGrantingServiceAccess {
                    policy_name: arn.rsplit('/').next().unwrap_or(arn).to_owned(),
                    policy_type: PolicyType::Managed,
                    policy_arn: Some(arn.clone()),
                    entity_type: None,
                    entity_name: None,
                });
            }
        }
    }
    found
}

/// AWS docs: *IAM API Reference > ListPoliciesGrantingServiceAccess*.
impl Query<ListPoliciesGrantingServiceAccess> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListPoliciesGrantingServiceAccessRequest,
    ) -> Answer<ListPoliciesGrantingServiceAccess> {
        let held = held_by(call, snapshot, &input.arn)?;
        let mut namespaces = input.service_namespaces;
        namespaces.sort();
        namespaces.dedup();
        let scope = format!("ListPoliciesGrantingServiceAccess/{}", input.arn);
        let page = paged(namespaces, &scope, (input.marker, None), Clone::clone)?;
        let entry = |namespace: &String| ListPoliciesGrantingServiceAccessEntry {
            policies: Some(granting(snapshot, &held, namespace)),
            service_namespace: Some(namespace.clone()),
        };
        Ok(ListPoliciesGrantingServiceAccessResponse {
            policies_granting_service_access: page.items.iter().map(entry).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}
