//! Managed policies.

use std::collections::BTreeMap;

use haar_iam_contract::{
    CreatePolicy, CreatePolicyRequest, CreatePolicyResponse, DeletePolicy, DeletePolicyOutput,
    DeletePolicyRequest, GetPolicy, GetPolicyRequest, GetPolicyResponse, ListPolicies,
    ListPoliciesRequest, ListPoliciesResponse, Policy, PolicyScopeType, PolicyUsageType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_policy::{Document, Grammar};
use haar_wire::AwsError;

use crate::lookup::{find_own_policy, paged};
use crate::ops::tag::tags_of;
use crate::refusal::{conflict, malformed, quota, taken};
use crate::rules::{IdKind, POLICY_BYTES_MAX, mint_id, policy_size};
use crate::state::{PolicyRow, PolicyVersion, owned, rows_of};
use crate::{Iam, managed, render};

/// Refuses faults and documents that are too long.
pub(crate) fn check_document(text: &str) -> Result<(), AwsError> {
    Document::parse(text, Grammar::Managed).map_err(malformed)?;
    if policy_size(text) > POLICY_BYTES_MAX {
        return Err(quota("PolicySize", POLICY_BYTES_MAX));
    }
    Ok(())
}

impl Command<CreatePolicy> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreatePolicyRequest,
    ) -> Answer<CreatePolicy> {
        let name = input.policy_name;
        if tx.contains::<PolicyRow>(&owned(&call.account, &name)) {
            return Err(taken(format!(
                "A policy called {name} already exists. Duplicate names are not allowed."
            )));
        }
        check_document(&input.policy_document)?;
        let version = PolicyVersion { document: input.policy_document, created_at: call.now };
        let row = PolicyRow {
            account: call.account.clone(),
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: mint_id(&call.ids, IdKind::Policy),
            description: input.description,
            created_at: call.now,
            updated_at: call.now,
            tags: tags_of(input.tags)?,
            versions: BTreeMap::from([(1, version)]),
            default_version: 1,
            newest_version: 1,
            name,
        };
        let policy =
            Some(Policy { tags: render::some_tags(&row.tags), ..render::listed_policy(tx, &row) });
        tx.put(row);
        Ok(CreatePolicyResponse { policy })
    }
}

impl Query<GetPolicy> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetPolicyRequest,
    ) -> Answer<GetPolicy> {
        let policy = match managed::find(&input.policy_arn) {
            Some(policy) => Policy {
                description: Some(policy.description.clone()),
                tags: Some(Vec::new()),
                ..render::managed_policy(snapshot, &call.account, policy)
            },
            None => {
                let row = find_own_policy(snapshot, &call.account, &input.policy_arn)?;
                render::policy(snapshot, &row)
            }
        };
        Ok(GetPolicyResponse { policy: Some(policy) })
    }
}

impl Query<ListPolicies> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListPoliciesRequest,
    ) -> Answer<ListPolicies> {
        let scope = input.scope.unwrap_or(PolicyScopeType::All);
        let mut policies: Vec<Policy> = Vec::new();
        if scope != PolicyScopeType::Aws {
            let rows = rows_of::<PolicyRow>(snapshot, &call.account);
            policies.extend(rows.map(|row| render::listed_policy(snapshot, &row)));
        }
        if scope != PolicyScopeType::Local {
            let shown = |policy| render::managed_policy(snapshot, &call.account, policy);
            policies.extend(managed::all().map(shown));
        }
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let is_wanted = |policy: &Policy| {
            let path = policy.path.as_deref().unwrap_or("/");
            let attached = policy.attachment_count > Some(0);
            let bounding = policy.permissions_boundary_usage_count > Some(0);
            let used = match input.policy_usage_filter {
                Some(PolicyUsageType::PermissionsBoundary) => bounding,
                Some(PolicyUsageType::PermissionsPolicy) => attached,
                None => true,
            };
            path.starts_with(prefix) && used && (attached || input.only_attached != Some(true))
        };
        policies.retain(is_wanted);
        policies.sort_by(|one, other| one.arn.cmp(&other.arn));
        let scope = format!("ListPolicies/{scope}");
        let page = paged(policies, &scope, (input.marker, input.max_items), |policy| {
            policy.arn.clone().unwrap_or_default()
        })?;
        Ok(ListPoliciesResponse {
            policies: Some(page.items),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<DeletePolicy> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeletePolicyRequest,
    ) -> Answer<DeletePolicy> {
        let arn = &input.policy_arn;
        let row = find_own_policy(tx, &call.account, arn)?;
        let used = render::attachment_count(tx, &call.account, arn)
            + render::boundary_count(tx, &call.account, arn);
        if used > 0 {
            return Err(conflict("Cannot delete a policy attached to entities."));
        }
        if row.versions.len() > 1 {
            return Err(conflict(
                "This policy has more than one version. Before you delete a policy, you must \
                 delete the policy's versions. The default version is deleted with the policy.",
            ));
        }
        tx.remove::<PolicyRow>(&owned(&call.account, &row.name));
        Ok(DeletePolicyOutput {})
    }
}
