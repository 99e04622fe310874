//! Inline policies of users, groups and roles.

use haar_iam_contract::{
    DeleteGroupPolicy, DeleteGroupPolicyOutput, DeleteGroupPolicyRequest, DeleteRolePolicy,
    DeleteRolePolicyOutput, DeleteRolePolicyRequest, DeleteUserPolicy, DeleteUserPolicyOutput,
    DeleteUserPolicyRequest, GetGroupPolicy, GetGroupPolicyRequest, GetGroupPolicyResponse,
    GetRolePolicy, GetRolePolicyRequest, GetRolePolicyResponse, GetUserPolicy,
    GetUserPolicyRequest, GetUserPolicyResponse, ListGroupPolicies, ListGroupPoliciesRequest,
    ListGroupPoliciesResponse, ListRolePolicies, ListRolePoliciesRequest, ListRolePoliciesResponse,
    ListUserPolicies, ListUserPoliciesRequest, ListUserPoliciesResponse, PutGroupPolicy,
    PutGroupPolicyOutput, PutGroupPolicyRequest, PutRolePolicy, PutRolePolicyOutput,
    PutRolePolicyRequest, PutUserPolicy, PutUserPolicyOutput, PutUserPolicyRequest,
};
use haar_kernel::{Answer, Call, Command, Page, Query};
use haar_ledger::{Snapshot, Tx};
use haar_policy::{Document, Grammar};
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::{find_group, find_own_role, find_role, find_user, paged};
use crate::refusal::{limit, malformed, no_such};
use crate::rules::url_encoded;
use crate::state::Bearer;

fn put<R: Bearer>(tx: &mut Tx, row: &R, name: String, text: String) -> Result<(), AwsError> {
    Document::parse(&text, Grammar::Inline).map_err(malformed)?;
    let mut row = row.clone();
    row.grants_mut().inline.insert(name, text);
    if row.grants().inline_bytes() > R::INLINE_BYTES_MAX {
        let (max, kind, name) = (R::INLINE_BYTES_MAX, R::KIND, row.name());
        return Err(limit(format!(
            "Maximum policy size of {max} bytes exceeded for {kind} {name}"
        )));
    }
    tx.put(row);
    Ok(())
}

fn missing<R: Bearer>(name: &str) -> AwsError {
    no_such(format!("The {} policy with name {name} cannot be found.", R::KIND))
}

fn get<R: Bearer>(row: &R, name: &str) -> Result<String, AwsError> {
    let text = row.grants().inline.get(name).ok_or_else(|| missing::<R>(name))?;
    Ok(url_encoded(text))
}

fn delete<R: Bearer>(tx: &mut Tx, row: &R, name: &str) -> Result<(), AwsError> {
    let mut row = row.clone();
    row.grants_mut().inline.remove(name).ok_or_else(|| missing::<R>(name))?;
    tx.put(row);
    Ok(())
}

fn list<R: Bearer>(
    row: &R,
    marker: Option<String>,
    items_max: Option<i32>,
) -> Result<Page<String>, AwsError> {
    let names = row.grants().inline.keys().cloned();
    let scope = format!("{}/{}/inline", R::KIND, row.name());
    paged(names, &scope, (marker, items_max), Clone::clone)
}

/// The four operations on one kind of identity's inline policies.
macro_rules! inline_operations {
    ($find:ident $find_own:ident, $name:ident, $put:ident $put_in:ident $put_out:ident,
     $get:ident $get_in:ident $get_out:ident, $delete:ident $delete_in:ident $delete_out:ident,
     $list:ident $list_in:ident $list_out:ident) => {
        impl Command<$put> for Iam {
            fn command(&self, call: &Call, tx: &mut Tx, input: $put_in) -> Answer<$put> {
                let row = $find_own(tx, &call.account, &input.$name)?;
                put(tx, &*row, input.policy_name, input.policy_document)?;
                Ok($put_out {})
            }
        }

        impl Query<$get> for Iam {
            fn query(&self, call: &Call, snapshot: &Snapshot, input: $get_in) -> Answer<$get> {
                let row = $find(snapshot, &call.account, &input.$name)?;
                Ok($get_out {
                    policy_document: get(&*row, &input.policy_name)?,
                    $name: row.name.clone(),
                    policy_name: input.policy_name,
                })
            }
        }

        impl Command<$delete> for Iam {
            fn command(&self, call: &Call, tx: &mut Tx, input: $delete_in) -> Answer<$delete> {
                let row = $find_own(tx, &call.account, &input.$name)?;
                delete(tx, &*row, &input.policy_name)?;
                Ok($delete_out {})
            }
        }

        impl Query<$list> for Iam {
            fn query(&self, call: &Call, snapshot: &Snapshot, input: $list_in) -> Answer<$list> {
                let row = $find(snapshot, &call.account, &input.$name)?;
                let page = list(&*row, input.marker, input.max_items)?;
                Ok($list_out {
                    policy_names: page.items,
                    is_truncated: Some(page.next.is_some()),
                    marker: page.next,
                })
            }
        }
    };
}

inline_operations!(
    find_user find_user, user_name, PutUserPolicy PutUserPolicyRequest PutUserPolicyOutput,
    GetUserPolicy GetUserPolicyRequest GetUserPolicyResponse,
    DeleteUserPolicy DeleteUserPolicyRequest DeleteUserPolicyOutput,
    ListUserPolicies ListUserPoliciesRequest ListUserPoliciesResponse
);
inline_operations!(
    find_group find_group, group_name, PutGroupPolicy PutGroupPolicyRequest PutGroupPolicyOutput,
    GetGroupPolicy GetGroupPolicyRequest GetGroupPolicyResponse,
    DeleteGroupPolicy DeleteGroupPolicyRequest DeleteGroupPolicyOutput,
    ListGroupPolicies ListGroupPoliciesRequest ListGroupPoliciesResponse
);
inline_operations!(
    find_role find_own_role, role_name, PutRolePolicy PutRolePolicyRequest PutRolePolicyOutput,
    GetRolePolicy GetRolePolicyRequest GetRolePolicyResponse,
    DeleteRolePolicy DeleteRolePolicyRequest DeleteRolePolicyOutput,
    ListRolePolicies ListRolePoliciesRequest ListRolePoliciesResponse
);
