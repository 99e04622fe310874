//! Container definitions: what AWS refuses, and the defaults that it puts in.

use std::collections::BTreeSet;

use haar_ecs_contract::model::{
    ContainerCondition, ContainerDefinition, EnvironmentFile, HealthCheck, LogDriver, NetworkMode,
    TransportProtocol,
};
use haar_wire::AwsError;

use super::awslogs::AwsLogs;
use super::order;
use crate::refusal::client;

/// Puts AWS's defaults into a container definition.
pub(crate) fn complete(container: &mut ContainerDefinition, mode: NetworkMode) {
    container.cpu.get_or_insert(0);
    container.essential.get_or_insert(true);
    container.environment.get_or_insert_default();
    container.mount_points.get_or_insert_default();
    container.volumes_from.get_or_insert_default();
    container.system_controls.get_or_insert_default();
    for mapping in container.port_mappings.get_or_insert_default() {
        mapping.protocol.get_or_insert(TransportProtocol::Tcp);
        if matches!(mode, NetworkMode::Awsvpc | NetworkMode::Host) {
            mapping.host_port = mapping.host_port.or(mapping.container_port);
        }
        mapping.host_port.get_or_insert(0);
    }
    if let Some(check) = &mut container.health_check {
        check.interval.get_or_insert(30);
        check.timeout.get_or_insert(5);
        check.retries.get_or_insert(3);
    }
}

/// Refuses what AWS would refuse whatever the launch type.
pub(crate) fn check(container: &ContainerDefinition, mode: NetworkMode) -> Result<(), AwsError> {
    let name = container.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(client("Container.name should not be null or empty."));
    }
    if !super::names::is_name(name) {
        return Err(client(format!("Container.name contains invalid characters: {name}")));
    }
    if container.image.as_deref().unwrap_or_default().is_empty() {
        return Err(client("Container.image should not be null or empty."));
    }
    if container.image.iter().any(|image| image.contains(char::is_whitespace)) {
        return Err(client("Container.image contains invalid characters."));
    }
    check_sizes(container, name)?;
    check_kernel(container, name)?;
    check_files(container.environment_files.as_deref(), client)?;
    check_times(container, name)?;
    check_ports(container, mode)?;
    check_environment(container)?;
    if let Some(check) = &container.health_check {
        check_health(check, name)?;
    }
    if let Some(log) = container.log_configuration.as_ref()
        && log.log_driver == LogDriver::Awslogs
    {
        AwsLogs::check(log).map_err(client)?;
    }
    Ok(())
}

fn check_sizes(container: &ContainerDefinition, name: &str) -> Result<(), AwsError> {
    let wrong = |what: &str| Err(client(format!("Invalid setting for container '{name}'. {what}")));
    if container.cpu.unwrap_or(0) < 0 {
        return wrong("'cpu' must not be negative.");
    }
    if container.memory.is_some_and(|memory| memory < 4) {
        return wrong("The 'memory' value must be at least 4 MiB.");
    }
    if container.memory_reservation.is_some_and(|memory| memory < 4) {
        return wrong("The 'memoryReservation' value must be at least 4 MiB.");
    }
    match (container.memory, container.memory_reservation) {
        (Some(memory), Some(soft)) if soft >= memory => {
            wrong("The 'memory' value must be greater than the 'memoryReservation' value.")
        }
        _ => Ok(()),
    }
}

fn check_kernel(container: &ContainerDefinition, name: &str) -> Result<(), AwsError> {
    let wrong =
        |what: String| Err(client(format!("Invalid setting for container '{name}'. {what}")));
    for limit in container.ulimits.iter().flatten() {
        let endless = |number: i32| if number < 0 { i32::MAX } else { number };
        if endless(limit.soft_limit) > endless(limit.hard_limit) {
            let what = limit.name;
            return wrong(format!(
                "The softLimit of ulimit '{what}' must not exceed its hardLimit."
            ));
        }
    }
    for control in container.system_controls.iter().flatten() {
        let parameter = control.namespace.as_deref().unwrap_or_default();
        let own = haar_substrate::is_between_processes(parameter) || parameter.starts_with("net.");
        if !own {
            return wrong(format!("The system control '{parameter}' is not namespaced."));
        }
    }
    Ok(())
}

/// Environment files that one container may have. *API Reference > ContainerDefinition*.
const FILES_MAX: usize = 10;

/// Refuses environment files that AWS would not take.
pub(crate) fn check_files(
    files: Option<&[EnvironmentFile]>,
    refuse: fn(String) -> AwsError,
) -> Result<(), AwsError> {
    let files = files.unwrap_or_default();
    if files.len() > FILES_MAX {
        return Err(refuse(format!("A container can have at most {FILES_MAX} environmentFiles.")));
    }
    match files.iter().find(|file| !file.value.ends_with(".env")) {
        Some(file) => Err(refuse(format!(
            "The environment file '{}' must have the file extension .env.",
            file.value
        ))),
        None => Ok(()),
    }
}

fn check_times(container: &ContainerDefinition, name: &str) -> Result<(), AwsError> {
    let between = |value: Option<i32>, what: &str, range: std::ops::RangeInclusive<i32>| {
        if value.is_none_or(|value| range.contains(&value)) {
            return Ok(());
        }
        let (least, most) = (range.start(), range.end());
        let text = format!("'{what}' must be between {least} and {most} seconds.");
        Err(client(format!("Invalid setting for container '{name}'. {text}")))
    };
    between(container.start_timeout, "startTimeout", 2..=120)?;
    between(container.stop_timeout, "stopTimeout", 0..=120)?;
    let policy = container.restart_policy.as_ref();
    let period = policy.and_then(|policy| policy.restart_attempt_period);
    between(period, "restartAttemptPeriod", 60..=1800)?;
    if policy.is_some_and(|policy| policy.ignored_exit_codes.iter().flatten().count() > 50) {
        return Err(client("A restart policy can ignore up to 50 exit codes."));
    }
    Ok(())
}

fn check_ports(container: &ContainerDefinition, mode: NetworkMode) -> Result<(), AwsError> {
    let mut names = BTreeSet::new();
    for mapping in container.port_mappings.iter().flatten() {
        let port = mapping.container_port;
        if port.is_some() == mapping.container_port_range.is_some() {
            return Err(client("containerPort or containerPortRange must be specified, not both."));
        }
        if port.is_some_and(|port| !(1..=65_535).contains(&port)) {
            return Err(client(format!("Invalid container port: {}", port.unwrap_or_default())));
        }
        let host = mapping.host_port.filter(|host| *host != 0);
        if mode == NetworkMode::Awsvpc && host.is_some() && host != port {
            return Err(client(
                "When networkMode=awsvpc, the host ports and container ports in port mappings must \
                 match.",
            ));
        }
        if mapping.name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
            return Err(client("The names of port mappings must be unique."));
        }
    }
    Ok(())
}

fn check_environment(container: &ContainerDefinition) -> Result<(), AwsError> {
    let mut names = BTreeSet::new();
    for pair in container.environment.iter().flatten() {
        let name = pair.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(client("Environment variable name should not be null or empty."));
        }
        names.insert(name);
    }
    for secret in container.secrets.iter().flatten() {
        if secret.value_from.is_empty() {
            return Err(client("Secret.valueFrom should not be null or empty."));
        }
        if !names.insert(&secret.name) {
            return Err(client(format!(
                "The secret name must be unique and not shared with any new or existing \
                 environment variables set on the container, such as '{}'.",
                secret.name
            )));
        }
    }
    Ok(())
}

fn check_health(check: &HealthCheck, name: &str) -> Result<(), AwsError> {
    let kind = check.command.first().map(String::as_str);
    let is_known = match kind {
        Some("CMD" | "CMD-SHELL") => check.command.len() > 1,
        Some("NONE") => true,
        _ => false,
    };
    if !is_known {
        return Err(client(format!(
            "Invalid health check command for container '{name}': it must begin with CMD or \
             CMD-SHELL."
        )));
    }
    for (value, what, least, most) in [
        (check.interval, "interval", 5, 300),
        (check.timeout, "timeout", 2, 60),
        (check.retries, "retries", 1, 10),
        (check.start_period, "startPeriod", 0, 300),
    ] {
        if value.is_some_and(|value| !(least..=most).contains(&value)) {
            return Err(client(format!(
                "Invalid health check {what} for container '{name}': it must be between {least} \
                 and {most}."
            )));
        }
    }
    Ok(())
}

/// Containers of a task definition. *Developer Guide > Service quotas*.
const COUNT_MAX: usize = 10;

/// Refuses what does not fit together.
pub(crate) fn check_all(containers: &[ContainerDefinition]) -> Result<(), AwsError> {
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    if containers.len() > COUNT_MAX {
        return Err(client(format!("A task definition can have at most {COUNT_MAX} containers.")));
    }
    let mut names = BTreeSet::new();
    let unique = |one: &ContainerDefinition| names.insert(one.name.clone());
    if !containers.iter().all(unique) {
        return Err(client("Container names must be unique within a task definition."));
    }
    if !containers.iter().any(|one| one.essential != Some(false)) {
        return Err(client("At least one container must be marked as essential."));
    }
    containers.iter().try_for_each(|one| check_dependencies(one, containers))?;
    order::start_order(containers)
        .map(drop)
        .map_err(|name| client(format!("The dependencies of container '{name}' form a circle.")))
}

fn check_dependencies(
    container: &ContainerDefinition,
    all: &[ContainerDefinition],
) -> Result<(), AwsError> {
    for dependency in container.depends_on.iter().flatten() {
        let name = &dependency.container_name;
        let named = all.iter().find(|one| one.name.as_ref() == Some(name));
        let Some(other) = named else {
            return Err(client(format!("Unknown container '{name}' in dependsOn.")));
        };
        let ends = matches!(
            dependency.condition,
            ContainerCondition::Complete | ContainerCondition::Success
        );
        if ends && other.essential != Some(false) {
            return Err(client(format!(
                "Container '{name}' is essential: it cannot be waited for with condition {}.",
                dependency.condition
            )));
        }
        if dependency.condition == ContainerCondition::Healthy && other.health_check.is_none() {
            return Err(client(format!(
                "Container '{name}' has no health check: it cannot be waited for with condition \
                 HEALTHY."
            )));
        }
    }
    Ok(())
}
