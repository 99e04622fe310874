//! Copies images to other registries, as replication configurations say.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_kernel::Auth;
use haar_ledger::{ChangeSet, Snapshot};
use haar_policy::{Document, Grammar, PolicySet, Principal, RequestContext, decide};
use haar_types::Timestamp;

use crate::Ecr;
use crate::replicate;
use crate::state::{ReplicationKey, ReplicationRow, ReplicationState};

/// The controller `ecr.copies`.
pub struct Copies(pub(crate) Arc<Ecr>);

/// Names a copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CopyKey(pub(crate) ReplicationKey);

/// Make a copy.
#[derive(Debug, PartialEq, Eq)]
pub struct CopyStep(CopyKey);

impl Controller for Copies {
    type Key = CopyKey;
    type Step = CopyStep;

    const NAME: &'static str = "ecr.copies";
    const CONCURRENCY: usize = 4;

    fn keys(&self, changes: &ChangeSet) -> Vec<CopyKey> {
        changes.keys::<ReplicationRow>().into_iter().map(CopyKey).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<CopyKey> {
        let due = snapshot.all::<ReplicationRow>().filter(|row| is_due(row));
        due.map(|row| CopyKey(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &CopyKey, _now: Timestamp) -> Plan<CopyStep> {
        match snapshot.get::<ReplicationRow>(&key.0) {
            Some(row) if is_due(&row) => Plan::step(CopyStep(key.clone())),
            _ => Plan::default(),
        }
    }

    async fn act(&self, CopyStep(key): CopyStep, cx: &ActCx) -> Result<(), ActError> {
        let now = cx.clock.now();
        let committed = cx.ledger.transact(|tx| {
            let Some(row) = tx.get::<ReplicationRow>(&key.0).filter(|row| is_due(row)) else {
                return Ok::<_, ActError>(());
            };
            match self.is_allowed(tx, &row) {
                true => replicate::copy(tx, &row, &self.0.telling(now)),
                false => {
                    let state = ReplicationState::Failed("AccessDeniedException".to_owned());
                    tx.put(ReplicationRow { state, ..(*row).clone() });
                }
            }
            Ok(())
        })?;
        Ok(committed.durable().await?)
    }
}

fn is_due(row: &ReplicationRow) -> bool {
    row.state == ReplicationState::InProgress
}

impl Copies {
    /// Another account's registry must let this one replicate into it. AWS docs: *Amazon ECR
    /// User Guide > Granting registry permissions for cross account replication*.
    fn is_allowed(&self, snapshot: &Snapshot, row: &ReplicationRow) -> bool {
        let (image, destination) = &row.key;
        let source = &image.repository.registry.account;
        if self.0.doors.settings.auth == Auth::Permissive || *source == destination.account {
            return true;
        }
        let policy = destination.row(snapshot).policy;
        let Some(policy) = policy.and_then(|text| Document::parse(&text, Grammar::Resource).ok())
        else {
            return false;
        };
        let policies = PolicySet { resource: vec![Arc::new(policy)], ..PolicySet::default() };
        let principal = Principal::Root { account: source.clone() };
        let target = destination.repository(&image.repository.name).arn();
        let context = RequestContext::new(principal, "ecr:ReplicateImage", &target);
        decide(&policies, &context).allowed
    }
}
