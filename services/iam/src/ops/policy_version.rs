//! Versions of managed policies.

use haar_iam_contract::{
    CreatePolicyVersion, CreatePolicyVersionRequest, CreatePolicyVersionResponse,
    DeletePolicyVersion, DeletePolicyVersionOutput, DeletePolicyVersionRequest, GetPolicyVersion,
    GetPolicyVersionRequest, GetPolicyVersionResponse, ListPolicyVersions,
    ListPolicyVersionsRequest, ListPolicyVersionsResponse, SetDefaultPolicyVersion,
    SetDefaultPolicyVersionOutput, SetDefaultPolicyVersionRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::lookup::{find_own_policy, paged};
use crate::ops::policy::check_document;
use crate::refusal::{conflict, limit, no_such};
use crate::rules::VERSIONS_MAX;
use crate::state::{Named as _, PolicyRow, PolicyVersion};
use crate::{Iam, managed, render};

/// The number of a version that exists.
fn find_version(row: &PolicyRow, id: &str) -> Result<u32, AwsError> {
    let number = id.strip_prefix('v').and_then(|number| number.parse().ok());
    let known = number.filter(|number| row.versions.contains_key(number));
    known.ok_or_else(|| missing(&row.arn(), id))
}

fn missing(arn: &str, id: &str) -> AwsError {
    no_such(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

impl Command<CreatePolicyVersion> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreatePolicyVersionRequest,
    ) -> Answer<CreatePolicyVersion> {
        let mut row = PolicyRow::clone(&*find_own_policy(tx, &call.account, &input.policy_arn)?);
        check_document(&input.policy_document)?;
        if row.versions.len() >= VERSIONS_MAX {
            return Err(limit(format!(
                "A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new \
                 version, you must delete an existing version."
            )));
        }
        let number = row.newest_version + 1;
        let version = PolicyVersion { document: input.policy_document, created_at: call.now };
        row.versions.insert(number, version);
        row.newest_version = number;
        row.updated_at = call.now;
        if input.set_as_default == Some(true) {
            row.default_version = number;
        }
        let policy_version = Some(render::policy_version(&row, number, false));
        tx.put(row);
        Ok(CreatePolicyVersionResponse { policy_version })
    }
}

impl Query<GetPolicyVersion> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetPolicyVersionRequest,
    ) -> Answer<GetPolicyVersion> {
        let (arn, id) = (&input.policy_arn, &input.version_id);
        let version = match managed::find(arn) {
            Some(policy) if *id == format!("v{}", policy.version) => {
                render::managed_version(policy, true)
            }
            Some(_) => return Err(missing(arn, id)),
            None => {
                let row = find_own_policy(snapshot, &call.account, arn)?;
                render::policy_version(&row, find_version(&row, id)?, true)
            }
        };
        Ok(GetPolicyVersionResponse { policy_version: Some(version) })
    }
}

impl Query<ListPolicyVersions> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListPolicyVersionsRequest,
    ) -> Answer<ListPolicyVersions> {
        let arn = &input.policy_arn;
        let versions = match managed::find(arn) {
            Some(policy) => vec![(0, render::managed_version(policy, false))],
            None => {
                let row = find_own_policy(snapshot, &call.account, arn)?;
                let newest_first = row.versions.keys().rev();
                newest_first.map(|n| (*n, render::policy_version(&row, *n, false))).collect()
            }
        };
        let scope = format!("ListPolicyVersions/{arn}");
        let page = paged(versions, &scope, (input.marker, input.max_items), |(number, _)| {
            format!("{:010}", u32::MAX - number)
        })?;
        Ok(ListPolicyVersionsResponse {
            versions: Some(page.items.into_iter().map(|(_, version)| version).collect()),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<SetDefaultPolicyVersion> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: SetDefaultPolicyVersionRequest,
    ) -> Answer<SetDefaultPolicyVersion> {
        let mut row = PolicyRow::clone(&*find_own_policy(tx, &call.account, &input.policy_arn)?);
        row.default_version = find_version(&row, &input.version_id)?;
        row.updated_at = call.now;
        tx.put(row);
        Ok(SetDefaultPolicyVersionOutput {})
    }
}

impl Command<DeletePolicyVersion> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeletePolicyVersionRequest,
    ) -> Answer<DeletePolicyVersion> {
        let mut row = PolicyRow::clone(&*find_own_policy(tx, &call.account, &input.policy_arn)?);
        let number = find_version(&row, &input.version_id)?;
        if number == row.default_version {
            return Err(conflict("Cannot delete the default version of a policy."));
        }
        row.versions.remove(&number);
        row.updated_at = call.now;
        tx.put(row);
        Ok(DeletePolicyVersionOutput {})
    }
}
