//! Tasks.

use std::net::Ipv4Addr;

use haar_ecs_contract::model::{AwsVpcConfiguration, HealthStatus, TaskOverride, TaskStopCode};
use haar_ledger::{IndexEntry, Row};
use haar_types::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{DefinitionKey, ServiceKey, TaskKey};

/// Where a task or container is in its life. *Developer Guide > Task lifecycle*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskStatus {
    /// Waits for its network interface.
    Provisioning,
    /// Images are pulled, containers started.
    Pending,
    /// Between `Pending` and `Running`; tasks behind load balancers register there.
    Activating,
    /// All containers that must run do.
    Running,
    /// The counterpart of `Activating`.
    Deactivating,
    /// Containers are being stopped.
    Stopping,
    /// The network interface is given back.
    Deprovisioning,
    /// It has ended, and never runs again.
    Stopped,
}

impl TaskStatus {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// One task: what an operation asked for and what controllers saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Key.
    pub key: TaskKey,
    /// What it runs; kept for as long as the task is.
    pub definition: DefinitionKey,
    /// Such as `family:web` or `service:web`.
    pub group: String,
    /// Who started it; a service's tasks name its deployment.
    pub started_by: Option<String>,
    /// The service that it belongs to.
    pub service: Option<ServiceKey>,
    /// `FARGATE` or `FARGATE_SPOT`, where a strategy chose it.
    pub capacity_provider: Option<String>,
    /// `1.4.0`.
    pub platform_version: String,
    /// As given.
    pub overrides: TaskOverride,
    /// As given.
    pub network: AwsVpcConfiguration,
    /// Commands may be executed in it.
    pub enable_execute_command: bool,
    /// Size of its scratch disk.
    pub ephemeral_gib: u32,
    /// Logs whose mode is not told are `blocking`: the setting `defaultLogDriverMode` of who asked
    /// for it.
    #[serde(default)]
    pub blocks_on_logs: bool,
    /// Its tags.
    pub tags: Tags,
    /// When it was asked for.
    pub created_at: Timestamp,

    /// Writer: operations and `controllers::services`. True: it is to stop.
    pub must_stop: bool,
    /// Why it stops: whoever wants it first says so.
    pub stop: Option<Stop>,
    /// Protection from scale-in, until then. Writer: operations.
    pub protected_until: Option<Timestamp>,

    /// Writer: `controllers::tasks`. Only ever moves down the list of [`TaskStatus`].
    pub last_status: TaskStatus,
    /// Grows with each change that a customer can see.
    pub version: i64,
    /// A UUID that names the attachment of its interface.
    pub attachment_id: String,
    /// Its network interface. Writer: `controllers::tasks`.
    pub interface: Option<TaskInterface>,
    /// Its sandbox was made.
    pub is_made: bool,
    /// In the definition's order. Writer: `controllers::tasks`, the observer, `controllers::health`.
    pub containers: Vec<TaskContainer>,
    /// The moments of its life.
    pub times: TaskTimes,
    /// Its service has drawn its conclusion from its end. Writer: `controllers::services`.
    pub is_judged: bool,
}

/// Why a task stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Shown as `stopCode`.
    pub code: TaskStopCode,
    /// Shown as `stoppedReason`.
    pub reason: String,
}

/// When what happened. Writer: `controllers::tasks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTimes {
    /// Its host took it over.
    pub connected_at: Option<Timestamp>,
    /// The first image is asked for.
    pub pull_started_at: Option<Timestamp>,
    /// All images are here.
    pub pull_stopped_at: Option<Timestamp>,
    /// `RUNNING` began.
    pub started_at: Option<Timestamp>,
    /// `STOPPING` began.
    pub stopping_at: Option<Timestamp>,
    /// The last container has ended.
    pub execution_stopped_at: Option<Timestamp>,
    /// `STOPPED` began; where all of it ended while haar was not there, its end.
    pub stopped_at: Option<Timestamp>,
    /// Its end was written down: it can be described for a while from then on.
    #[serde(default)]
    pub told_at: Option<Timestamp>,
}

/// A task's network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInterface {
    /// `eni-…`.
    pub eni_id: String,
    /// Hardware address.
    pub mac: String,
    /// Address.
    pub address: Ipv4Addr,
    /// Bits of its subnet's prefix.
    pub prefix: u8,
    /// The subnet's router.
    pub gateway: Ipv4Addr,
    /// `subnet-…`.
    pub subnet_id: String,
    /// `vpc-…`.
    pub vpc_id: String,
    /// Its name for its address.
    pub private_dns_name: String,
    /// Such as `us-east-1a`.
    pub availability_zone: String,
    /// Given back.
    pub is_released: bool,
}

/// One container of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskContainer {
    /// Its name in the definition.
    pub name: String,
    /// A UUID, the last part of its ARN.
    pub id: String,
    /// `Pending`, `Running` or `Stopped`.
    pub last_status: TaskStatus,
    /// The image's digest, once pulled: that of the index where there is one.
    pub image_digest: Option<String>,
    /// What the substrate calls the image.
    pub image_id: Option<String>,
    /// Which run of it this is, from 0; grows with each restart.
    pub attempt: u32,
    /// Its current run's begin.
    pub started_at: Option<Timestamp>,
    /// Its last run's end.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// Why it ended or could not start, such as `OutOfMemoryError: …`.
    pub reason: Option<String>,
    /// What its health check says; `None` without one.
    pub health: Option<Health>,
}

/// What a health check has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `Unknown` until the first verdict.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failure_count: u32,
    /// When it is to be checked next.
    pub due_at: Timestamp,
    /// Since when the status holds.
    pub since: Timestamp,
}

impl TaskRow {
    /// What operations or findings want: `RUNNING` or `STOPPED`.
    pub fn desired_status(&self) -> TaskStatus {
        if self.must_stop || self.stop.is_some() {
            TaskStatus::Stopped
        } else {
            TaskStatus::Running
        }
    }

    /// Asks for a stop; the first reason stands.
    pub fn ask_to_stop(&mut self, code: TaskStopCode, reason: impl Into<String>) {
        self.must_stop = true;
        self.stop.get_or_insert_with(|| Stop { code, reason: reason.into() });
        self.version += 1;
    }

    /// A container by its name.
    pub fn container_mut(&mut self, name: &str) -> Option<&mut TaskContainer> {
        self.containers.iter_mut().find(|container| container.name == name)
    }

    /// A container by its name.
    pub fn container(&self, name: &str) -> Option<&TaskContainer> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// Whether it is protected from scale-in at a time.
    pub fn is_protected(&self, now: Timestamp) -> bool {
        self.protected_until.is_some_and(|until| until > now)
    }
}

impl Row for TaskRow {
    type Key = TaskKey;
    const TABLE: &'static str = "ecs.task";

    fn key(&self) -> TaskKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        let Some(old) = old else { return Ok(()) };
        if new.last_status < old.last_status {
            return Err(format!("{:?} after {:?}", new.last_status, old.last_status));
        }
        if old.must_stop && !new.must_stop {
            return Err("a task that must stop is to run again".to_owned());
        }
        if old.stop.is_some() && new.stop != old.stop {
            return Err(format!("{:?} after {:?}", new.stop, old.stop));
        }
        if new.last_status == TaskStatus::Stopped
            && new.containers.iter().any(|one| one.last_status != TaskStatus::Stopped)
        {
            return Err("a container outlives its task".to_owned());
        }
        Ok(())
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let mut entries = vec![IndexEntry::new("definition", self.definition.arn())];
        if let Some(service) = &self.service {
            entries.push(IndexEntry::new("service", service.index()));
        }
        if self.last_status != TaskStatus::Stopped {
            entries.push(IndexEntry::new("alive", sandbox_name(&self.key)));
        }
        entries
    }
}

/// What the substrate calls a task's sandbox; ids of tasks are unique over all clusters.
pub(crate) fn sandbox_name(key: &TaskKey) -> String {
    format!("ecs-{}", key.id)
}
