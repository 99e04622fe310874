//! What happened to services: their deployments and revisions, kept for 90 days.

use std::collections::BTreeMap;

use haar_ecs_contract::model::{
    ContainerImage, DeploymentConfiguration, ServiceDeploymentRollbackMonitorsStatus,
    ServiceDeploymentStatus,
};
use haar_ledger::Row;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ServicePartKey, Target};

/// One deployment of a service. Writer: operations make it, `controllers::services` moves it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeploymentRow {
    /// Key.
    pub key: ServicePartKey,
    /// Where it is.
    pub status: ServiceDeploymentStatus,
    /// Why it is there.
    pub status_reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first task was asked for.
    pub started_at: Option<Timestamp>,
    /// When it succeeded or was rolled back.
    pub finished_at: Option<Timestamp>,
    /// When it was stopped.
    pub stopped_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Ids of the revisions that ran when it began.
    pub source_revision_ids: Vec<String>,
    /// Id of the revision that it brings.
    pub target_revision_id: String,
    /// How the service was configured when it began.
    pub configuration: DeploymentConfiguration,
    /// How the circuit breaker is doing.
    pub breaker: Breaker,
    /// Set once it rolls back.
    pub rollback: Option<RollbackFacts>,
}

/// A deployment's circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether it watches.
    pub status: ServiceDeploymentRollbackMonitorsStatus,
    /// Failures one after another so far.
    pub failure_count: u32,
    /// As many trigger it.
    pub threshold: u32,
}

/// How a deployment rolls back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackFacts {
    /// Why.
    pub reason: String,
    /// Since when.
    pub started_at: Timestamp,
    /// Id of the revision that it goes back to.
    pub revision_id: String,
}

impl DeploymentRow {
    /// Whether more is to come.
    pub fn is_open(&self) -> bool {
        use ServiceDeploymentStatus as Is;
        matches!(
            self.status,
            Is::Pending
                | Is::InProgress
                | Is::StopRequested
                | Is::RollbackRequested
                | Is::RollbackInProgress
        )
    }

    /// Moves it on.
    pub fn set(&mut self, status: ServiceDeploymentStatus, reason: &str, now: Timestamp) {
        self.status = status;
        self.status_reason = (!reason.is_empty()).then(|| reason.to_owned());
        self.updated_at = now;
    }
}

impl Row for DeploymentRow {
    type Key = ServicePartKey;
    const TABLE: &'static str = "ecs.service-deployment";

    fn key(&self) -> ServicePartKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if !old.is_open() && new.is_open() => {
                Err(format!("{:?} after {:?}", new.status, old.status))
            }
            _ => Ok(()),
        }
    }
}

/// One revision of a service: what ran, never changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RevisionRow {
    /// Key.
    pub key: ServicePartKey,
    /// What it runs and where.
    pub target: Target,
    /// Its containers' images; digests come with its first task.
    pub images: Vec<ContainerImage>,
    /// Digests that its further tasks run, by container. Writer: `controllers::tasks`.
    #[serde(default)]
    pub pins: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Row for RevisionRow {
    type Key = ServicePartKey;
    const TABLE: &'static str = "ecs.service-revision";

    fn key(&self) -> ServicePartKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.target != new.target => Err("a revision changed".to_owned()),
            _ => Ok(()),
        }
    }
}
