//! Task definitions: from what is registered to what is kept.

use haar_ecs_contract::model::{
    Attribute, Compatibility, ContainerDefinition, EFSAuthorizationConfigIAM, EFSTransitEncryption,
    EFSVolumeConfiguration, LogDriver, NetworkMode, RegisterTaskDefinitionRequest, TaskDefinition,
};
use haar_wire::AwsError;

use super::{containers, fargate};
use crate::refusal::client;

/// Bytes of a task definition. *Developer Guide > Service quotas*.
const BYTES_MAX: usize = 65_536;

/// Checks a registration and puts AWS's defaults in. Number, state and times come later.
pub(crate) fn normalise(input: RegisterTaskDefinitionRequest) -> Result<TaskDefinition, AwsError> {
    super::names::check_family(&input.family)?;
    let length = haar_wire::to_json(&input).to_string().len();
    if length > BYTES_MAX {
        return Err(client(format!(
            "Actual length: '{length}'. Max allowed length is '{BYTES_MAX}' bytes."
        )));
    }
    let mode = input.network_mode.unwrap_or(NetworkMode::Bridge);
    let mut all = input.container_definitions;
    for container in &mut all {
        containers::check(container, mode)?;
        containers::complete(container, mode);
    }
    containers::check_all(&all)?;
    let mut definition = TaskDefinition {
        family: Some(input.family),
        task_role_arn: input.task_role_arn,
        execution_role_arn: input.execution_role_arn,
        network_mode: Some(mode),
        container_definitions: Some(all),
        volumes: Some(input.volumes.unwrap_or_default()),
        placement_constraints: Some(input.placement_constraints.unwrap_or_default()),
        requires_compatibilities: input.requires_compatibilities.filter(|all| !all.is_empty()),
        cpu: units(input.cpu.as_deref(), "cpu", fargate::cpu_units)?,
        memory: units(input.memory.as_deref(), "memory", fargate::memory_mib)?,
        pid_mode: input.pid_mode,
        ipc_mode: input.ipc_mode,
        proxy_configuration: input.proxy_configuration,
        inference_accelerators: input.inference_accelerators,
        ephemeral_storage: input.ephemeral_storage,
        runtime_platform: input.runtime_platform,
        enable_fault_injection: input.enable_fault_injection,
        ..Default::default()
    };
    check_memory(&definition)?;
    check_volumes(&definition)?;
    definition.compatibilities = Some(compatibilities(&definition)?);
    definition.requires_attributes = Some(attributes(&definition));
    Ok(definition)
}

fn units(
    given: Option<&str>,
    what: &str,
    read: fn(&str) -> Option<u32>,
) -> Result<Option<String>, AwsError> {
    let Some(text) = given else { return Ok(None) };
    match read(text) {
        Some(units) if units > 0 => Ok(Some(units.to_string())),
        _ => Err(client(format!("Invalid '{what}' setting for task."))),
    }
}

fn check_memory(definition: &TaskDefinition) -> Result<(), AwsError> {
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<i64>().ok());
    let (cpu, memory) = (number(&definition.cpu), number(&definition.memory));
    let all = definition.container_definitions.as_deref().unwrap_or_default();
    for container in all {
        let name = container.name.as_deref().unwrap_or_default();
        let own = container.memory_reservation.max(container.memory).map(i64::from);
        if own.is_none() && memory.is_none() {
            return Err(client(format!(
                "Invalid setting for container '{name}'. At least one of 'memory' or \
                 'memoryReservation' must be specified."
            )));
        }
        if memory.is_some_and(|memory| own.unwrap_or(0) > memory) {
            return Err(client(format!(
                "Invalid setting for container '{name}'. The 'memory' of a container must not be \
                 greater than that of its task."
            )));
        }
    }
    let taken: i64 = all.iter().map(|one| i64::from(one.cpu.unwrap_or(0))).sum();
    if cpu.is_some_and(|cpu| taken > cpu) {
        return Err(client(format!(
            "The 'cpu' of all containers together ({taken}) must not be greater than that of their \
             task."
        )));
    }
    let soft =
        |one: &ContainerDefinition| one.memory_reservation.or(one.memory).map_or(0, i64::from);
    let reserved: i64 = all.iter().map(soft).sum();
    if memory.is_some_and(|memory| reserved > memory) {
        return Err(client(
            "The 'memory' or 'memoryReservation' of all containers together must not be greater \
             than the 'memory' of their task.",
        ));
    }
    Ok(())
}

/// *API Reference > EFSAuthorizationConfig*: an access point decides where its root is, and IAM
/// and access points need encryption on the way.
fn check_access(efs: &EFSVolumeConfiguration, name: &str) -> Result<(), AwsError> {
    let Some(access) = &efs.authorization_config else { return Ok(()) };
    let wrong = |what: &str| Err(client(format!("Invalid setting for volume '{name}'. {what}")));
    let is_encrypted = efs.transit_encryption == Some(EFSTransitEncryption::Enabled);
    let by_iam = access.iam == Some(EFSAuthorizationConfigIAM::Enabled);
    if access.access_point_id.is_some() {
        if !efs.root_directory.as_deref().is_none_or(|root| root.is_empty() || root == "/") {
            return wrong("rootDirectory must be omitted or '/' with an access point.");
        }
        if !is_encrypted {
            return wrong("transitEncryption must be ENABLED with an access point.");
        }
    }
    if by_iam && !is_encrypted {
        return wrong("transitEncryption must be ENABLED with IAM authorization.");
    }
    Ok(())
}

/// Letters, digits and dashes, as in `fs-0123456789abcdef0`.
pub(crate) fn is_file_system_id(id: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
    (1..=128).contains(&id.len()) && id.bytes().all(is_plain)
}

fn check_volumes(definition: &TaskDefinition) -> Result<(), AwsError> {
    let volumes = definition.volumes.as_deref().unwrap_or_default();
    for (at, volume) in volumes.iter().enumerate() {
        let name = volume.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(client("Volume.name should not be null or empty."));
        }
        if !super::names::is_name(name) {
            return Err(client(format!("Volume.name contains invalid characters: {name}")));
        }
        if volumes[..at].iter().any(|other| other.name == volume.name) {
            return Err(client(format!("Duplicate volume name '{name}'.")));
        }
        let efs = volume.efs_volume_configuration.as_ref();
        if let Some(efs) = efs.filter(|efs| !is_file_system_id(&efs.file_system_id)) {
            let id = &efs.file_system_id;
            return Err(client(format!("Invalid fileSystemId '{id}' of volume '{name}'.")));
        }
        efs.map_or(Ok(()), |efs| check_access(efs, name))?;
    }
    let all = definition.container_definitions.as_deref().unwrap_or_default();
    for container in all {
        for mount in container.mount_points.iter().flatten() {
            if !volumes.iter().any(|volume| volume.name == mount.source_volume) {
                let name = mount.source_volume.as_deref().unwrap_or_default();
                return Err(client(format!("Unknown volume '{name}'.")));
            }
            if !mount.container_path.as_deref().unwrap_or_default().starts_with('/') {
                return Err(client("MountPoint.containerPath must be an absolute path."));
            }
        }
        for from in container.volumes_from.iter().flatten() {
            if !all.iter().any(|other| other.name == from.source_container) {
                let name = from.source_container.as_deref().unwrap_or_default();
                return Err(client(format!("Unknown container '{name}' in volumesFrom.")));
            }
        }
    }
    Ok(())
}

/// What a definition can run on; refused where it requires what it cannot.
fn compatibilities(definition: &TaskDefinition) -> Result<Vec<Compatibility>, AwsError> {
    let requires = definition.requires_compatibilities.as_deref().unwrap_or_default();
    let fits = fargate::check(definition)
        .and_then(|()| needs_execution_role(definition))
        .and_then(|()| fargate::check_logs(definition))
        .and_then(|()| fargate::check_here(definition));
    if requires.contains(&Compatibility::Fargate) {
        fits.clone().map_err(client)?;
    }
    let mut all = vec![Compatibility::Ec2];
    all.extend(fits.is_ok().then_some(Compatibility::Fargate));
    all.extend(requires.iter().filter(|one| **one > Compatibility::Fargate));
    Ok(all)
}

fn needs_execution_role(definition: &TaskDefinition) -> Result<(), String> {
    if definition.execution_role_arn.is_some() {
        return Ok(());
    }
    let needs = |what: &str| {
        format!("Fargate requires task definition to have execution role ARN to support {what}.")
    };
    for container in definition.container_definitions.iter().flatten() {
        if container.image.as_deref().is_some_and(|image| image.contains(".dkr.ecr.")) {
            return Err(needs("ECR images"));
        }
        let log = container.log_configuration.as_ref();
        if log.is_some_and(|log| log.log_driver == LogDriver::Awslogs) {
            return Err(needs("log driver awslogs"));
        }
        if container.secrets.iter().flatten().next().is_some() {
            return Err(needs("secrets"));
        }
        if container.repository_credentials.is_some() {
            return Err(needs("private registry credentials")); // *ours*: AWS documents no text
        }
    }
    Ok(())
}

/// What an agent must be able to do. *Developer Guide > Container agent capabilities*.
fn attributes(definition: &TaskDefinition) -> Vec<Attribute> {
    let all = || definition.container_definitions.iter().flatten();
    let any = |has: &dyn Fn(&ContainerDefinition) -> bool| all().any(has);
    let logs = any(&|one| {
        one.log_configuration.as_ref().is_some_and(|log| log.log_driver == LogDriver::Awslogs)
    });
    let ecr = any(&|one| one.image.as_deref().is_some_and(|image| image.contains(".dkr.ecr.")));
    let secrets = any(&|one| one.secrets.iter().flatten().next().is_some());
    let role = definition.execution_role_arn.is_some();
    let awsvpc = definition.network_mode == Some(NetworkMode::Awsvpc);
    let listed = [
        (logs && role, "ecs.capability.execution-role-awslogs"),
        (ecr, "com.amazonaws.ecs.capability.ecr-auth"),
        (definition.task_role_arn.is_some(), "com.amazonaws.ecs.capability.task-iam-role"),
        (ecr && role, "ecs.capability.execution-role-ecr-pull"),
        (awsvpc, "ecs.capability.task-eni"),
        (any(&|one| one.depends_on.is_some()), "ecs.capability.container-ordering"),
        (any(&|one| one.health_check.is_some()), "ecs.capability.container-health-check"),
        (secrets, "ecs.capability.secrets.asm.environment-variables"),
        (logs, "com.amazonaws.ecs.capability.logging-driver.awslogs"),
        (true, "com.amazonaws.ecs.capability.docker-remote-api.1.18"),
    ];
    let needed = listed.into_iter().filter(|(needed, _)| *needed);
    needed.map(|(_, name)| Attribute { name: name.to_owned(), ..Default::default() }).collect()
}
