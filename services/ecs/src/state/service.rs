//! Services: what is to run, and the rollouts that bring it about.

use haar_ecs_contract::model::{
    AvailabilityZoneRebalancing, AwsVpcConfiguration, CapacityProviderStrategyItem,
    DeploymentConfiguration, DeploymentController, DeploymentRolloutState, PropagateTags,
};
use haar_ledger::{IndexEntry, Row};
use haar_types::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{DefinitionKey, ServiceKey};

/// Events that `DescribeServices` shows at most. *API Reference > Service*.
const EVENTS_MAX: usize = 100;

/// `ACTIVE`, `DRAINING`, `INACTIVE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServiceStatus {
    /// It is kept running.
    Active,
    /// Deleted; its tasks are being stopped.
    Draining,
    /// Deleted; nothing of it runs.
    Inactive,
}

impl ServiceStatus {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// One service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceRow {
    /// Key.
    pub key: ServiceKey,
    /// Writer: operations; `Inactive` by `controllers::services`.
    pub status: ServiceStatus,
    /// Writer: operations.
    pub desired_count: u32,
    /// With AWS's defaults put in.
    pub configuration: DeploymentConfiguration,
    /// `ECS`; as given.
    pub controller: Option<DeploymentController>,
    /// Unhealthy is overlooked for so long after a task's start.
    pub health_grace_s: u32,
    /// Whose tags tasks get.
    pub propagate_tags: PropagateTags,
    /// Tasks get `aws:ecs:serviceName` and `aws:ecs:clusterName`.
    pub managed_tags: bool,
    /// For new tasks.
    pub enable_execute_command: bool,
    /// As given; kept, of no effect with one host.
    pub zone_rebalancing: AvailabilityZoneRebalancing,
    /// Its tags.
    pub tags: Tags,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// As given to `CreateService`.
    pub client_token: Option<String>,
    /// Digest of what `CreateService` was asked, but for the token.
    #[serde(default)]
    pub request: Option<String>,
    /// When it became `Inactive`.
    pub inactive_at: Option<Timestamp>,
    /// What shall run (first, the primary one) and what still runs of before.
    /// Writer: operations add; `controllers::services` moves and removes.
    pub rollouts: Vec<Rollout>,
    /// Newest first. Writer: `controllers::services`.
    pub events: Vec<Event>,
    /// Launches that failed one after another. Writer: `controllers::services`.
    pub failure_count: u32,
    /// When the last of them failed.
    pub failed_at: Option<Timestamp>,
    /// When steady state was last told; `None` while it is not steady.
    pub steady_told_at: Option<Timestamp>,
}

/// One revision of a service being rolled out: AWS's `Deployment`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// `ecs-svc/` and 19 digits; its tasks' `startedBy`.
    pub id: String,
    /// Id of its service revision.
    pub revision_id: String,
    /// Id of the service deployment that brought it, or that rolls back to it.
    pub deployment_id: String,
    /// What it runs and where.
    pub target: Target,
    /// Where it is.
    pub state: DeploymentRolloutState,
    /// Why.
    pub state_reason: String,
    /// Tasks that failed one after another.
    pub failed_count: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a revision of a service runs and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its task definition.
    pub definition: DefinitionKey,
    /// Empty with a launch type.
    pub strategy: Vec<CapacityProviderStrategyItem>,
    /// As given, such as `LATEST`.
    pub platform_version: String,
    /// Where its tasks' interfaces are.
    pub network: AwsVpcConfiguration,
}

/// One line of a service's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// A UUID.
    pub id: String,
    /// When.
    pub created_at: Timestamp,
    /// What.
    pub message: String,
}

impl ServiceRow {
    /// What shall run; there is one unless the service is deleted.
    pub fn primary(&self) -> Option<&Rollout> {
        self.rollouts.first()
    }

    /// Adds an event `(service NAME) TEXT`.
    pub fn tell(&mut self, id: String, at: Timestamp, text: &str) {
        let message = format!("(service {}) {text}", self.key.name);
        self.events.insert(0, Event { id, created_at: at, message });
        self.events.truncate(EVENTS_MAX);
    }
}

impl Row for ServiceRow {
    type Key = ServiceKey;
    const TABLE: &'static str = "ecs.service";

    fn key(&self) -> ServiceKey {
        self.key.clone()
    }

    /// A service of the same incarnation is never brought back.
    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.status < old.status && new.created_at == old.created_at => {
                Err(format!("{:?} after {:?}", new.status, old.status))
            }
            _ if new.status == ServiceStatus::Active && new.rollouts.is_empty() => {
                Err("an active service without a rollout".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let definitions = self.rollouts.iter().map(|rollout| rollout.target.definition.arn());
        definitions.map(|arn| IndexEntry::new("definition", arn)).collect()
    }
}
