//! What has had its time: deleted definitions, services, tokens, old deployments.

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ecs_contract::model::TaskDefinitionStatus;
use haar_ledger::{ChangeSet, Snapshot, Tx};
use haar_types::Timestamp;

use crate::state::{
    ClusterKey, DefinitionKey, DefinitionRow, DeploymentRow, RevisionRow, ServiceKey,
    ServicePartKey, ServiceRow, ServiceStatus, TaskRow, TokenRow,
};

/// How long a deleted service can be described. *Ours*: AWS says "for some time".
const SERVICE_KEPT: Duration = Duration::from_secs(3600);

/// How long a client token is known. *API Reference > RunTask*: 24 hours.
const TOKEN_KEPT: Duration = Duration::from_secs(24 * 3600);

/// How long deployments are kept. *Developer Guide > Service deployments*: 90 days.
const DEPLOYMENT_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Removes what has had its time.
#[derive(Debug, Default)]
pub struct Sweeper;

/// One thing that may have had its time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Garbage {
    /// A definition whose deletion was asked for: goes when nothing uses it.
    Definition(DefinitionKey),
    /// A deleted service.
    Service(ServiceKey),
    /// A client token.
    Token(ClusterKey, String),
    /// A deployment with its revision.
    Deployment(ServicePartKey),
}

impl Sweeper {
    /// The sweeper.
    pub fn new() -> Arc<Self> {
        Arc::new(Self)
    }
}

fn is_used(snapshot: &Snapshot, key: &DefinitionKey) -> bool {
    let arn = key.arn();
    snapshot.by_index::<TaskRow>("definition", &arn).next().is_some()
        || snapshot
            .by_index::<ServiceRow>("definition", &arn)
            .any(|service| service.status != ServiceStatus::Inactive)
}

/// When a thing is to go; `None`: not while nothing changes.
fn due(snapshot: &Snapshot, thing: &Garbage, now: Timestamp) -> Option<Timestamp> {
    match thing {
        Garbage::Definition(key) => {
            let row = snapshot.get::<DefinitionRow>(key)?;
            let is_asked = row.status == TaskDefinitionStatus::DeleteInProgress;
            (is_asked && !is_used(snapshot, key)).then_some(now)
        }
        Garbage::Service(key) => {
            let row = snapshot.get::<ServiceRow>(key)?;
            row.inactive_at
                .filter(|_| row.status == ServiceStatus::Inactive)
                .map(|at| at + SERVICE_KEPT)
        }
        Garbage::Token(cluster, token) => {
            let row = snapshot.get::<TokenRow>(&(cluster.clone(), token.clone()))?;
            Some(row.used_at + TOKEN_KEPT)
        }
        Garbage::Deployment(key) => {
            let row = snapshot.get::<DeploymentRow>(key)?;
            (!row.is_open()).then(|| row.updated_at + DEPLOYMENT_KEPT)
        }
    }
}

fn remove(tx: &mut Tx, thing: &Garbage) {
    match thing {
        Garbage::Definition(key) => drop(tx.remove::<DefinitionRow>(key)),
        Garbage::Service(key) => {
            tx.remove::<ServiceRow>(key);
            let all = || ServicePartKey::all(key);
            let deployments: Vec<_> =
                tx.range::<DeploymentRow>(all()).map(|row| row.key.clone()).collect();
            let revisions: Vec<_> =
                tx.range::<RevisionRow>(all()).map(|row| row.key.clone()).collect();
            deployments.iter().for_each(|key| drop(tx.remove::<DeploymentRow>(key)));
            revisions.iter().for_each(|key| drop(tx.remove::<RevisionRow>(key)));
        }
        Garbage::Token(cluster, token) => {
            drop(tx.remove::<TokenRow>(&(cluster.clone(), token.clone())));
        }
        Garbage::Deployment(key) => remove_deployment(tx, key),
    }
}

/// The revision that a service still runs stays.
fn remove_deployment(tx: &mut Tx, key: &ServicePartKey) {
    let Some(row) = tx.remove::<DeploymentRow>(key) else { return };
    let service = tx.get::<ServiceRow>(&key.service);
    let is_run = service.is_some_and(|service| {
        service.rollouts.iter().any(|one| one.revision_id == row.target_revision_id)
    });
    if !is_run {
        tx.remove::<RevisionRow>(&ServicePartKey::new(&key.service, &row.target_revision_id));
    }
}

impl Controller for Sweeper {
    type Key = Garbage;
    type Step = Garbage;
    const NAME: &'static str = "ecs.sweeper";

    fn keys(&self, changes: &ChangeSet) -> Vec<Garbage> {
        let mut keys: Vec<_> =
            changes.keys::<DefinitionRow>().into_iter().map(Garbage::Definition).collect();
        for (old, new) in changes.rows::<ServiceRow>() {
            let rollouts = old.iter().flat_map(|row| row.rollouts.iter());
            keys.extend(rollouts.map(|one| Garbage::Definition(one.target.definition.clone())));
            keys.extend(new.or(old).map(|row| Garbage::Service(row.key.clone())));
        }
        let gone = changes.rows::<TaskRow>().filter(|(_, new)| new.is_none());
        let gone = gone.filter_map(|(old, _)| old);
        keys.extend(gone.map(|task| Garbage::Definition(task.definition.clone())));
        let tokens = changes.keys::<TokenRow>().into_iter();
        keys.extend(tokens.map(|(cluster, token)| Garbage::Token(cluster, token)));
        keys.extend(changes.keys::<DeploymentRow>().into_iter().map(Garbage::Deployment));
        keys
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<Garbage> {
        let deleting = snapshot.by_index::<DefinitionRow>("deleting", "");
        let mut keys: Vec<_> = deleting.map(|row| Garbage::Definition(row.key.clone())).collect();
        keys.extend(snapshot.all::<ServiceRow>().map(|row| Garbage::Service(row.key.clone())));
        keys.extend(snapshot.all::<TokenRow>().map(|row| {
            let (cluster, token) = row.key.clone();
            Garbage::Token(cluster, token)
        }));
        keys.extend(
            snapshot.all::<DeploymentRow>().map(|row| Garbage::Deployment(row.key.clone())),
        );
        keys
    }

    fn plan(&self, snapshot: &Snapshot, key: &Garbage, now: Timestamp) -> Plan<Garbage> {
        match due(snapshot, key, now) {
            None => Plan::default(),
            Some(at) if at <= now => Plan::step(key.clone()),
            Some(at) => Plan::default().wake_at(at),
        }
    }

    async fn act(&self, thing: Garbage, cx: &ActCx) -> Result<(), ActError> {
        let now = cx.clock.now();
        let committed = cx.ledger.write(|tx| {
            if due(tx, &thing, now).is_some_and(|at| at <= now) {
                remove(tx, &thing);
            }
        });
        committed.durable().await?;
        Ok(())
    }
}
