//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_ecs_contract::model::TaskDefinitionStatus;
use haar_kernel::{Call, Page, page, read_token};
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::refusal::{
    bad_token, client, invalid, no_cluster, no_definition, no_service, no_task, service_not_active,
};
use crate::rules::names::{self, DefinitionName, Place};
use crate::state::{
    ClusterKey, ClusterRow, DefinitionKey, DefinitionRow, ServiceRow, ServiceStatus, TaskRow,
};

/// Where a call is.
pub(crate) fn place(call: &Call) -> Place<'_> {
    Place { account: &call.account, region: &call.region }
}

/// A cluster that is active.
pub(crate) fn find_cluster(
    snapshot: &Snapshot,
    call: &Call,
    named: Option<&str>,
) -> Result<Arc<ClusterRow>, AwsError> {
    let key = names::cluster_key(place(call), named)?;
    let own = key.account == call.account;
    let row = snapshot.get::<ClusterRow>(&key).filter(|row| own && row.is_active);
    row.ok_or_else(no_cluster)
}

/// A task definition, with a revision in whatever state or the latest active one.
pub(crate) fn find_definition(
    snapshot: &Snapshot,
    call: &Call,
    named: &str,
) -> Result<Arc<DefinitionRow>, AwsError> {
    let name = DefinitionName::parse(place(call), named)?;
    if name.account != call.account {
        return Err(no_definition());
    }
    let row = match name.key() {
        Some(key) => snapshot.get::<DefinitionRow>(&key),
        None => latest(snapshot, &name),
    };
    row.ok_or_else(no_definition)
}

fn latest(snapshot: &Snapshot, name: &DefinitionName) -> Option<Arc<DefinitionRow>> {
    let all = DefinitionKey::family(&name.account, &name.region, &name.family);
    let mut rows = snapshot.range::<DefinitionRow>(all).rev();
    rows.find(|row| row.status == TaskDefinitionStatus::Active)
}

/// A task definition that new tasks may run.
pub(crate) fn find_usable_definition(
    snapshot: &Snapshot,
    call: &Call,
    named: &str,
) -> Result<Arc<DefinitionRow>, AwsError> {
    let found = find_definition(snapshot, call, named);
    let row = found.map_err(|_| client("TaskDefinition not found."))?;
    if row.status != TaskDefinitionStatus::Active {
        return Err(client("TaskDefinition is inactive"));
    }
    Ok(row)
}

/// A task.
pub(crate) fn find_task(
    snapshot: &Snapshot,
    cluster: &ClusterKey,
    named: &str,
) -> Result<Arc<TaskRow>, AwsError> {
    let key = names::task_key(cluster, named)?;
    snapshot.get::<TaskRow>(&key).ok_or_else(no_task)
}

/// A service that was not deleted.
pub(crate) fn find_service(
    snapshot: &Snapshot,
    cluster: &ClusterKey,
    named: &str,
) -> Result<Arc<ServiceRow>, AwsError> {
    let key = names::service_key(cluster, named)?;
    let row = snapshot.get::<ServiceRow>(&key).ok_or_else(no_service)?;
    if row.status != ServiceStatus::Active {
        return Err(service_not_active());
    }
    Ok(row)
}

/// One page of names in their order, as `List…` operations answer them.
pub(crate) struct Listing {
    scope: String,
    after: Option<String>,
    limit: usize,
}

impl Listing {
    /// Reads a request's token and bound; `scope` names the listing with its filters.
    pub(crate) fn new(
        call: &Call,
        scope: String,
        (token, bound): (Option<&str>, Option<i32>),
        limit_max: usize,
    ) -> Result<Self, AwsError> {
        let scope = format!("ecs/{}/{}/{scope}", call.account, call.region);
        let token = token.filter(|token| !token.is_empty());
        let after = token.map(|token| read_token(&scope, token)).transpose();
        let after = after.map_err(|_| bad_token())?;
        let limit = match bound {
            None => limit_max,
            Some(bound) => usize::try_from(bound)
                .ok()
                .filter(|bound| (1..=limit_max).contains(bound))
                .ok_or_else(|| invalid(format!("maxResults must be between 1 and {limit_max}.")))?,
        };
        Ok(Self { scope, after, limit })
    }

    /// Cuts the page out of all items, which are in the order of their keys.
    pub(crate) fn page<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Page<T> {
        let mut begun = self.after.is_none();
        let rest = items.into_iter().filter(|item| {
            let was_begun = begun;
            begun = begun || self.after.as_ref() == Some(&key(item));
            was_begun
        });
        let rest: Vec<T> = rest.collect();
        page(rest, self.limit, &self.scope, &key)
    }
}
