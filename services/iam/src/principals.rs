//! Users and roles in trust policies: kept by their unique ids, shown by their ARNs.
//!
//! Whoever is made anew under an old name is somebody else. AWS docs: *IAM User Guide > AWS JSON
//! policy elements: Principal*.

use haar_ledger::Snapshot;
use haar_policy::with_principals;
use haar_types::AccountId;

use crate::lookup::{role_of_arn, role_of_id, user_of_id};
use crate::policies::user_of_arn;
use crate::state::Named as _;

/// A policy as it is kept: users and roles that are there by their ids, accounts by their roots.
pub(crate) fn kept(snapshot: &Snapshot, policy: &str) -> String {
    with_principals(policy, |principal| {
        if let Ok(account) = principal.parse::<AccountId>() {
            return Some(format!("arn:aws:iam::{account}:root"));
        }
        let user = user_of_arn(snapshot, principal).map(|user| user.id.clone());
        user.or_else(|| role_of_arn(snapshot, principal).map(|role| role.id.clone()))
    })
}

/// The same as it is shown: ids of those who are still there as their ARNs.
pub(crate) fn shown(snapshot: &Snapshot, policy: &str) -> String {
    with_principals(policy, |principal| {
        let user = user_of_id(snapshot, principal).map(|user| user.arn());
        user.or_else(|| role_of_id(snapshot, principal).map(|role| role.arn()))
    })
}
