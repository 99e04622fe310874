//! Orders for tasks: what `RunTask` and services have in common.

use haar_clock::Ids;
use haar_ecs_contract::model::{
    AwsVpcConfiguration, HealthStatus, PlatformUnknownException, TaskOverride,
};
use haar_types::{Tags, Timestamp};
use haar_wire::AwsError;

use crate::rules::fargate::EPHEMERAL_GIB;
use crate::state::{
    ClusterKey, DefinitionRow, Health, ServiceKey, TaskContainer, TaskKey, TaskRow, TaskStatus,
    TaskTimes,
};

/// The platform version that `LATEST` stands for.
pub(crate) const PLATFORM_LATEST: &str = "1.4.0";

/// One task that is wanted.
pub(crate) struct Order<'a> {
    pub(crate) cluster: &'a ClusterKey,
    pub(crate) definition: &'a DefinitionRow,
    pub(crate) group: String,
    pub(crate) started_by: Option<String>,
    pub(crate) service: Option<ServiceKey>,
    pub(crate) capacity_provider: Option<String>,
    pub(crate) platform_version: Option<&'a str>,
    pub(crate) overrides: TaskOverride,
    pub(crate) network: AwsVpcConfiguration,
    pub(crate) enable_execute_command: bool,
    pub(crate) tags: Tags,
    pub(crate) blocks_on_logs: bool,
    pub(crate) now: Timestamp,
}

impl Order<'_> {
    /// The task's first row.
    pub(crate) fn row(&self, ids: &Ids) -> TaskRow {
        let asked = self.overrides.ephemeral_storage.as_ref();
        let asked = asked.or(self.definition.definition.ephemeral_storage.as_ref());
        let ephemeral = asked.and_then(|asked| u32::try_from(asked.size_in_gi_b).ok());
        TaskRow {
            key: TaskKey::new(self.cluster, &ids.hex32()),
            definition: self.definition.key.clone(),
            group: self.group.clone(),
            started_by: self.started_by.clone(),
            service: self.service.clone(),
            capacity_provider: self.capacity_provider.clone(),
            platform_version: platform(self.platform_version).to_owned(),
            overrides: self.overrides.clone(),
            network: self.network.clone(),
            enable_execute_command: self.enable_execute_command,
            ephemeral_gib: ephemeral.unwrap_or(EPHEMERAL_GIB),
            blocks_on_logs: self.blocks_on_logs,
            tags: self.tags.clone(),
            created_at: self.now,
            must_stop: false,
            stop: None,
            protected_until: None,
            last_status: TaskStatus::Provisioning,
            version: 1,
            attachment_id: ids.uuid(),
            interface: None,
            is_made: false,
            containers: self.containers(ids),
            times: TaskTimes::default(),
            is_judged: false,
        }
    }

    fn containers(&self, ids: &Ids) -> Vec<TaskContainer> {
        let all = self.definition.definition.container_definitions.iter().flatten();
        let one = |definition: &haar_ecs_contract::model::ContainerDefinition| TaskContainer {
            name: definition.name.clone().unwrap_or_default(),
            id: ids.uuid(),
            last_status: TaskStatus::Pending,
            image_digest: None,
            image_id: None,
            attempt: 0,
            started_at: None,
            finished_at: None,
            exit_code: None,
            reason: None,
            health: definition.health_check.as_ref().filter(|check| is_check(&check.command)).map(
                |_| Health {
                    status: HealthStatus::Unknown,
                    failure_count: 0,
                    due_at: self.now,
                    since: self.now,
                },
            ),
        };
        all.map(one).collect()
    }
}

/// Whether a health check's command checks anything: `NONE` turns the image's off.
fn is_check(command: &[String]) -> bool {
    command.first().is_some_and(|kind| kind != "NONE")
}

/// The platform version that one as given stands for.
pub(crate) fn platform(given: Option<&str>) -> &str {
    given.filter(|given| !["", "LATEST"].contains(given)).unwrap_or(PLATFORM_LATEST)
}

/// Refuses platform versions that Fargate does not know.
pub(crate) fn check_platform(version: Option<&str>) -> Result<(), AwsError> {
    match version {
        None | Some("" | "LATEST" | "1.4.0" | "1.3.0") => Ok(()),
        Some(_) => {
            let text = "The specified platform does not exist.";
            Err(PlatformUnknownException::message(text).into())
        }
    }
}
