//! Managed policies of users, groups and roles.

use haar_iam_contract::{
    AttachGroupPolicy, AttachGroupPolicyOutput, AttachGroupPolicyRequest, AttachRolePolicy,
    AttachRolePolicyOutput, AttachRolePolicyRequest, AttachUserPolicy, AttachUserPolicyOutput,
    AttachUserPolicyRequest, AttachedPolicy, DetachGroupPolicy, DetachGroupPolicyOutput,
    DetachGroupPolicyRequest, DetachRolePolicy, DetachRolePolicyOutput, DetachRolePolicyRequest,
    DetachUserPolicy, DetachUserPolicyOutput, DetachUserPolicyRequest, ListAttachedGroupPolicies,
    ListAttachedGroupPoliciesRequest, ListAttachedGroupPoliciesResponse, ListAttachedRolePolicies,
    ListAttachedRolePoliciesRequest, ListAttachedRolePoliciesResponse, ListAttachedUserPolicies,
    ListAttachedUserPoliciesRequest, ListAttachedUserPoliciesResponse,
    PolicyNotAttachableException,
};
use haar_kernel::{Answer, Call, Command, Page, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::AccountId;
use haar_wire::AwsError;

use crate::lookup::{find_group, find_own_role, find_role, find_user, paged, policy_row};
use crate::refusal::{invalid, no_such, quota};
use crate::rules::ATTACHED_MAX;
use crate::state::Bearer;
use crate::{Iam, managed, render};

fn attach<R: Bearer>(tx: &mut Tx, row: &R, arn: String) -> Result<(), AwsError> {
    check_attachable(tx, row.account(), &arn)?;
    let mut row = row.clone();
    row.grants_mut().attached.insert(arn);
    if row.grants().attached.len() > ATTACHED_MAX {
        return Err(quota(R::ATTACHED_QUOTA, ATTACHED_MAX));
    }
    tx.put(row);
    Ok(())
}

/// Refuses policies that do not exist, are another account's, or are for AWS's linked roles.
fn check_attachable(snapshot: &Snapshot, account: &AccountId, arn: &str) -> Result<(), AwsError> {
    if let Some(policy) = managed::find(arn) {
        if !policy.path.starts_with("/aws-service-role/") {
            return Ok(());
        }
        let text = "Cannot attach a Service Role Policy to a customer role.";
        return Err(PolicyNotAttachableException::message(text).into());
    }
    if !arn.starts_with("arn:aws:iam::") {
        return Err(invalid(format!("ARN {arn} is not valid.")));
    }
    match policy_row(snapshot, arn).filter(|policy| policy.account == *account) {
        Some(_) => Ok(()),
        None => Err(no_such(format!("Policy {arn} does not exist or is not attachable."))),
    }
}

fn detach<R: Bearer>(tx: &mut Tx, row: &R, arn: &str) -> Result<(), AwsError> {
    let mut row = row.clone();
    if !row.grants_mut().attached.remove(arn) {
        return Err(no_such(format!("Policy {arn} was not found.")));
    }
    tx.put(row);
    Ok(())
}

fn list<R: Bearer>(
    row: &R,
    prefix: Option<&str>,
    paging: (Option<String>, Option<i32>),
) -> Result<Page<AttachedPolicy>, AwsError> {
    let prefix = prefix.unwrap_or("/");
    let has_path =
        |arn: &&String| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(prefix));
    let attached = row.grants().attached.iter().filter(has_path).map(|arn| render::attached(arn));
    let scope = format!("{}/{}/attached", R::KIND, row.name());
    paged(attached, &scope, paging, |policy| policy.policy_arn.clone().unwrap_or_default())
}

/// The three operations on one kind of identity's managed policies.
macro_rules! attached_operations {
    ($find:ident $find_own:ident, $name:ident, $attach:ident $attach_in:ident $attach_out:ident,
     $detach:ident $detach_in:ident $detach_out:ident,
     $list:ident $list_in:ident $list_out:ident) => {
        impl Command<$attach> for Iam {
            fn command(&self, call: &Call, tx: &mut Tx, input: $attach_in) -> Answer<$attach> {
                let row = $find_own(tx, &call.account, &input.$name)?;
                attach(tx, &*row, input.policy_arn)?;
                Ok($attach_out {})
            }
        }

        impl Command<$detach> for Iam {
            fn command(&self, call: &Call, tx: &mut Tx, input: $detach_in) -> Answer<$detach> {
                let row = $find_own(tx, &call.account, &input.$name)?;
                detach(tx, &*row, &input.policy_arn)?;
                Ok($detach_out {})
            }
        }

        impl Query<$list> for Iam {
            fn query(&self, call: &Call, snapshot: &Snapshot, input: $list_in) -> Answer<$list> {
                let row = $find(snapshot, &call.account, &input.$name)?;
                let paging = (input.marker, input.max_items);
                let page = list(&*row, input.path_prefix.as_deref(), paging)?;
                Ok($list_out {
                    attached_policies: Some(page.items),
                    is_truncated: Some(page.next.is_some()),
                    marker: page.next,
                })
            }
        }
    };
}

attached_operations!(
    find_user find_user, user_name,
    AttachUserPolicy AttachUserPolicyRequest AttachUserPolicyOutput,
    DetachUserPolicy DetachUserPolicyRequest DetachUserPolicyOutput,
    ListAttachedUserPolicies ListAttachedUserPoliciesRequest ListAttachedUserPoliciesResponse
);
attached_operations!(
    find_group find_group, group_name,
    AttachGroupPolicy AttachGroupPolicyRequest AttachGroupPolicyOutput,
    DetachGroupPolicy DetachGroupPolicyRequest DetachGroupPolicyOutput,
    ListAttachedGroupPolicies ListAttachedGroupPoliciesRequest ListAttachedGroupPoliciesResponse
);
attached_operations!(
    find_role find_own_role, role_name,
    AttachRolePolicy AttachRolePolicyRequest AttachRolePolicyOutput,
    DetachRolePolicy DetachRolePolicyRequest DetachRolePolicyOutput,
    ListAttachedRolePolicies ListAttachedRolePoliciesRequest ListAttachedRolePoliciesResponse
);
