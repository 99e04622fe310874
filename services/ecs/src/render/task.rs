//! Tasks.

use haar_ecs_contract::model::{
    Attachment, Attribute, Connectivity, Container, ContainerDefinition, ContainerOverride,
    EphemeralStorage, HealthStatus, KeyValuePair, LaunchType, ManagedAgent, ManagedAgentName,
    NetworkInterface, Task, TaskEphemeralStorage, TaskOverride,
};

use crate::ops::task_size;
use crate::rules::tags;
use crate::state::{DefinitionRow, TaskContainer, TaskRow, TaskStatus};

/// A task; its definition is there for as long as it is.
pub(crate) fn task(row: &TaskRow, definition: Option<&DefinitionRow>, with_tags: bool) -> Task {
    let size = definition.map(|one| task_size(&row.overrides, &one.definition));
    let zone = row.interface.as_ref().map(|interface| interface.availability_zone.clone());
    let (times, stop) = (&row.times, row.stop.as_ref());
    let definitions = definition.and_then(|one| one.definition.container_definitions.as_deref());
    let definitions = definitions.unwrap_or_default();
    let container = |one: &TaskContainer| {
        let named = |other: &&ContainerDefinition| other.name.as_ref() == Some(&one.name);
        self::container(row, one, definitions.iter().find(named))
    };
    let architecture = Attribute {
        name: "ecs.cpu-architecture".to_owned(),
        value: Some(architecture(definition).to_owned()),
        ..Default::default()
    };
    Task {
        attachments: Some(vec![attachment(row)]),
        attributes: Some(vec![architecture]),
        availability_zone: zone,
        capacity_provider_name: row.capacity_provider.clone(),
        cluster_arn: Some(row.key.cluster.arn()),
        connectivity: times.connected_at.map(|_| Connectivity::Connected),
        connectivity_at: times.connected_at,
        containers: Some(row.containers.iter().map(container).collect()),
        cpu: size.map(|(cpu, _)| cpu.to_string()),
        created_at: Some(row.created_at),
        desired_status: Some(row.desired_status().as_str().to_owned()),
        enable_execute_command: Some(row.enable_execute_command),
        execution_stopped_at: times.execution_stopped_at,
        group: Some(row.group.clone()),
        health_status: Some(health(row, definitions)),
        last_status: Some(row.last_status.as_str().to_owned()),
        launch_type: Some(LaunchType::Fargate),
        memory: size.map(|(_, memory)| memory.to_string()),
        overrides: Some(overrides(row)),
        platform_version: Some(row.platform_version.clone()),
        platform_family: Some("Linux".to_owned()),
        pull_started_at: times.pull_started_at,
        pull_stopped_at: times.pull_stopped_at,
        started_at: times.started_at,
        started_by: row.started_by.clone(),
        stop_code: stop.map(|stop| stop.code),
        stopped_at: times.stopped_at,
        stopped_reason: stop.map(|stop| stop.reason.clone()),
        stopping_at: times.stopping_at,
        tags: Some(if with_tags { tags::show(&row.tags) } else { Vec::new() }),
        task_arn: Some(row.key.arn()),
        task_definition_arn: Some(row.definition.arn()),
        version: Some(row.version),
        ephemeral_storage: i32::try_from(row.ephemeral_gib)
            .ok()
            .map(|size_in_gi_b| EphemeralStorage { size_in_gi_b }),
        fargate_ephemeral_storage: Some(TaskEphemeralStorage {
            size_in_gi_b: i32::try_from(row.ephemeral_gib).ok(),
            kms_key_id: None,
        }),
        ..Default::default()
    }
}

fn architecture(definition: Option<&DefinitionRow>) -> &'static str {
    let platform = definition.and_then(|one| one.definition.runtime_platform.as_ref());
    let asked = platform.and_then(|platform| platform.cpu_architecture);
    match asked.map(|one| one.as_str()) {
        Some("ARM64") => "arm64",
        _ => "x86_64",
    }
}

/// The worst of the essential containers that have a health check.
pub(crate) fn health(row: &TaskRow, definitions: &[ContainerDefinition]) -> HealthStatus {
    let essential = |one: &&TaskContainer| {
        let mut named = definitions.iter().filter(|other| other.name.as_ref() == Some(&one.name));
        named.any(|other| other.essential != Some(false))
    };
    let checked = row.containers.iter().filter(essential).filter_map(|one| one.health.as_ref());
    let all: Vec<_> = checked.map(|health| health.status).collect();
    if all.contains(&HealthStatus::Unhealthy) {
        HealthStatus::Unhealthy
    } else if all.is_empty() || all.contains(&HealthStatus::Unknown) {
        HealthStatus::Unknown
    } else {
        HealthStatus::Healthy
    }
}

/// As given, with a line for every container.
fn overrides(row: &TaskRow) -> TaskOverride {
    let mut all = row.overrides.clone();
    let named = all.container_overrides.get_or_insert_default();
    for container in &row.containers {
        if !named.iter().any(|one| one.name.as_ref() == Some(&container.name)) {
            named.push(ContainerOverride {
                name: Some(container.name.clone()),
                ..Default::default()
            });
        }
    }
    all.inference_accelerator_overrides.get_or_insert_default();
    all
}

fn attachment(row: &TaskRow) -> Attachment {
    let pair = |name: &str, value: &str| KeyValuePair {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    };
    let mut details = Vec::new();
    let status = match &row.interface {
        None if row.last_status >= TaskStatus::Deprovisioning => "DELETED",
        None => {
            let subnet = row.network.subnets.first().map(String::as_str).unwrap_or_default();
            details.push(pair("subnetId", subnet));
            "PRECREATED"
        }
        Some(interface) => {
            details.push(pair("subnetId", &interface.subnet_id));
            details.push(pair("networkInterfaceId", &interface.eni_id));
            details.push(pair("macAddress", &interface.mac));
            details.push(pair("privateDnsName", &interface.private_dns_name));
            details.push(pair("privateIPv4Address", &interface.address.to_string()));
            if interface.is_released { "DELETED" } else { "ATTACHED" }
        }
    };
    Attachment {
        id: Some(row.attachment_id.clone()),
        r#type: Some("ElasticNetworkInterface".to_owned()),
        status: Some(status.to_owned()),
        details: Some(details),
    }
}

fn container(
    row: &TaskRow,
    one: &TaskContainer,
    definition: Option<&ContainerDefinition>,
) -> Container {
    let over = row.overrides.container_overrides.iter().flatten();
    let over = over.into_iter().find(|over| over.name.as_ref() == Some(&one.name));
    let number =
        |over: Option<i32>, own: Option<i32>| over.or(own).map(|number| number.to_string());
    let status = match one.last_status {
        TaskStatus::Pending if row.last_status == TaskStatus::Provisioning => "PROVISIONING",
        other => other.as_str(),
    };
    let interface = row.interface.as_ref().map(|interface| NetworkInterface {
        attachment_id: Some(row.attachment_id.clone()),
        private_ipv4_address: Some(interface.address.to_string()),
        ipv6_address: None,
    });
    Container {
        container_arn: Some(row.key.container_arn(&one.id)),
        task_arn: Some(row.key.arn()),
        name: Some(one.name.clone()),
        image: definition.and_then(|definition| definition.image.clone()),
        image_digest: one.image_digest.clone(),
        runtime_id: one.image_id.as_ref().map(|_| runtime_id(row, one)),
        last_status: Some(status.to_owned()),
        exit_code: one.exit_code,
        reason: one.reason.clone(),
        network_bindings: Some(Vec::new()),
        network_interfaces: Some(interface.into_iter().collect()),
        health_status: Some(one.health.as_ref().map_or(HealthStatus::Unknown, |it| it.status)),
        managed_agents: row.enable_execute_command.then(|| vec![agent(one)]),
        cpu: number(over.and_then(|it| it.cpu), definition.and_then(|it| it.cpu)),
        memory: number(over.and_then(|it| it.memory), definition.and_then(|it| it.memory)),
        memory_reservation: number(
            over.and_then(|it| it.memory_reservation),
            definition.and_then(|it| it.memory_reservation),
        ),
        ..Default::default()
    }
}

/// What the runtime calls a container: the task's id and ten digits.
pub(crate) fn runtime_id(row: &TaskRow, one: &TaskContainer) -> String {
    let digits: String = one.id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    let number = u32::from_str_radix(&digits, 16).unwrap_or(0);
    format!("{}-{number:010}", row.key.id)
}

/// What ECS Exec talks to: there as long as the container runs.
fn agent(container: &TaskContainer) -> ManagedAgent {
    ManagedAgent {
        last_started_at: container.started_at,
        name: Some(ManagedAgentName::ExecuteCommandAgent),
        reason: None,
        last_status: Some(container.last_status.as_str().to_owned()),
    }
}
