//! Tasks: run and stop.

use haar_ec2_contract::peek::Place as NetworkPlace;
use haar_ecs_contract::model::{
    AwsVpcConfiguration, ConflictException, NetworkConfiguration, NetworkMode, PropagateTags,
    RunTask, RunTaskResponse, StopTask, StopTaskResponse, TaskDefinition, TaskOverride,
    TaskStopCode,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Input;
use super::setting::blocks_on_logs;
use crate::announce;
use crate::doors::may_pass_role;
use crate::lookup::{find_cluster, find_task, find_usable_definition, place};
use crate::order::{Order, check_platform};
use crate::refusal::{invalid, not_here};
use crate::rules::{capacity, containers, fargate, tags};
use crate::state::{ClusterRow, DefinitionRow, TaskRow, TokenRow};
use crate::{Ecs, render};

/// Tasks that one call may run.
const COUNT_MAX: i32 = 10;

/// Characters of what a task says that it was started by.
const STARTED_BY_MAX: usize = 128;

/// Characters of overrides, their JSON's own included. *API Reference > TaskOverride*.
const OVERRIDES_BYTES_MAX: usize = 8_192;

/// AWS docs: *Amazon ECS API Reference > RunTask*.
impl Command<RunTask> for Ecs {
    fn command(&self, call: &Call, tx: &mut Tx, input: Input<RunTask>) -> Answer<RunTask> {
        let cluster = find_cluster(tx, call, input.cluster.as_deref())?;
        if let Some(answer) = answered(tx, &cluster, &input)? {
            return Ok(answer);
        }
        let definition = find_usable_definition(tx, call, &input.task_definition)?;
        refuse(&input)?;
        let count = input.count.unwrap_or(1);
        if !(1..=COUNT_MAX).contains(&count) {
            return Err(invalid(format!("Tasks to run must be between 1 and {COUNT_MAX}.")));
        }
        let strategy = capacity::choose(
            input.launch_type,
            input.capacity_provider_strategy.clone(),
            &cluster,
        )?;
        check_compatible(&definition.definition)?;
        let network = self.check_network(call, tx, input.network_configuration.as_ref())?;
        let overrides = input.overrides.clone().unwrap_or_default();
        check_overrides(&overrides, &definition.definition)?;
        let own = &definition.definition;
        for role in [
            overrides.task_role_arn.as_ref().or(own.task_role_arn.as_ref()),
            overrides.execution_role_arn.as_ref().or(own.execution_role_arn.as_ref()),
        ] {
            may_pass_role(&self.doors, call, tx, role.map(String::as_str))?;
        }
        if input.enable_execute_command == Some(true) && !has_role(&overrides, own) {
            return Err(invalid(
                "The execute command failed because a valid task role is not being used. Specify \
                 a valid task role in your task definition or as a task override and try again.",
            ));
        }
        let family = &definition.key.family;
        let mut order = Order {
            cluster: &cluster.key,
            definition: &definition,
            group: input.group.clone().unwrap_or_else(|| format!("family:{family}")),
            started_by: input.started_by.clone(),
            service: None,
            capacity_provider: None,
            platform_version: input.platform_version.as_deref(),
            overrides,
            network,
            enable_execute_command: input.enable_execute_command.unwrap_or(false),
            blocks_on_logs: blocks_on_logs(tx, place(call), &call.principal.arn()),
            tags: task_tags(&input, &cluster, &definition)?,
            now: call.now,
        };
        let mut rows: Vec<TaskRow> = Vec::new();
        for _ in 0..count {
            let has = |name: &str| {
                let same = |row: &&TaskRow| row.capacity_provider.as_deref() == Some(name);
                u32::try_from(rows.iter().filter(same).count()).unwrap_or(u32::MAX)
            };
            order.capacity_provider = capacity::next_provider(&strategy, &has).map(str::to_owned);
            rows.push(order.row(&call.ids));
        }
        let shown = rows.iter().map(|row| render::task(row, Some(&definition), true)).collect();
        remember(call, tx, &cluster, &input, &rows);
        for row in rows {
            announce::task(&self.doors.outbox, tx, &row, call.now);
            tx.put(row);
        }
        Ok(RunTaskResponse { tasks: Some(shown), failures: Some(Vec::new()) })
    }
}

/// What the same request answered before, where its token says that it is the same.
fn answered(
    snapshot: &Snapshot,
    cluster: &ClusterRow,
    input: &Input<RunTask>,
) -> Result<Option<RunTaskResponse>, AwsError> {
    let Some(token) = &input.client_token else { return Ok(None) };
    if !(1..=64).contains(&token.len()) || !token.bytes().all(|byte| (33..=126).contains(&byte)) {
        return Err(invalid("clientToken must be 1 to 64 ASCII characters without spaces."));
    }
    let key = (cluster.key.clone(), token.clone());
    let Some(row) = snapshot.get::<TokenRow>(&key) else { return Ok(None) };
    let arns: Vec<String> = row.tasks.iter().map(|task| task.arn()).collect();
    if row.request != digest(&haar_wire::to_json(input)) {
        let text = "The RunTask request could not be processed due to conflicts. The provided \
                    clientToken is already in use with a different RunTask request.";
        let message = Some(text.to_owned());
        return Err(ConflictException { resource_ids: Some(arns), message }.into());
    }
    let tasks = row.tasks.iter().filter_map(|key| snapshot.get::<TaskRow>(key));
    let shown = tasks.map(|task| {
        let definition = snapshot.get::<DefinitionRow>(&task.definition);
        render::task(&task, definition.as_deref(), true)
    });
    Ok(Some(RunTaskResponse { tasks: Some(shown.collect()), failures: Some(Vec::new()) }))
}

fn remember(
    call: &Call,
    tx: &mut Tx,
    cluster: &ClusterRow,
    input: &Input<RunTask>,
    rows: &[TaskRow],
) {
    let Some(token) = &input.client_token else { return };
    tx.put(TokenRow {
        key: (cluster.key.clone(), token.clone()),
        request: digest(&haar_wire::to_json(input)),
        tasks: rows.iter().map(|row| row.key.clone()).collect(),
        used_at: call.now,
    });
}

/// Tells requests apart.
pub(super) fn digest(input: &Value) -> String {
    let hash = Sha256::digest(input.to_string().as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refuse(input: &Input<RunTask>) -> Result<(), AwsError> {
    check_platform(input.platform_version.as_deref())?;
    if input.placement_constraints.iter().flatten().next().is_some() {
        return Err(invalid("Placement constraints are not supported with FARGATE launch type."));
    }
    if input.placement_strategy.iter().flatten().next().is_some() {
        return Err(invalid("Placement strategies are not supported with FARGATE launch type."));
    }
    if input.volume_configurations.iter().flatten().next().is_some() {
        return Err(not_here("volumeConfigurations"));
    }
    // The docs tell of fewer letters than AWS takes: `ECS Deploy` is what one deployer gives.
    if input.started_by.as_ref().is_some_and(|who| who.chars().count() > STARTED_BY_MAX) {
        return Err(invalid(format!("startedBy longer than {STARTED_BY_MAX}.")));
    }
    if input.group.as_ref().is_some_and(|group| group.starts_with("service:")) {
        return Err(invalid("A task group that begins with 'service:' is reserved for services."));
    }
    Ok(())
}

/// Refuses what does not run on Fargate.
pub(super) fn check_compatible(definition: &TaskDefinition) -> Result<(), AwsError> {
    let fits = definition.compatibilities.iter().flatten().any(|one| one.as_str() == "FARGATE");
    if fits {
        return Ok(());
    }
    Err(invalid("Task definition does not support launch_type FARGATE."))
}

/// Whether a task's programs act under a role.
pub(super) fn has_role(overrides: &TaskOverride, definition: &TaskDefinition) -> bool {
    let role = overrides.task_role_arn.as_ref().or(definition.task_role_arn.as_ref());
    role.is_some_and(|role| !role.is_empty())
}

impl Ecs {
    /// Refuses a network that is not there.
    pub(super) fn check_network(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        given: Option<&NetworkConfiguration>,
    ) -> Result<AwsVpcConfiguration, AwsError> {
        let network = given.and_then(|given| given.awsvpc_configuration.clone());
        let mode = NetworkMode::Awsvpc;
        let network = network.ok_or_else(|| {
            let text = "Network Configuration must be provided when networkMode";
            invalid(format!("{text} '{mode}' is specified."))
        })?;
        if !(1..=16).contains(&network.subnets.len()) {
            return Err(invalid("subnets must contain between 1 and 16 items."));
        }
        let groups = network.security_groups.iter().flatten();
        if groups.clone().count() > 5 {
            return Err(invalid("securityGroups can have at most 5 items."));
        }
        let (networks, place) = (self.networks(), NetworkPlace::new(&call.account, &call.region));
        let subnets = network.subnets.iter();
        let known: Vec<_> = subnets.map(|id| (id, networks.subnet(snapshot, &place, id))).collect();
        if let Some((id, _)) = known.iter().find(|(_, subnet)| subnet.is_none()) {
            return Err(invalid(format!("The subnet ID '{id}' does not exist")));
        }
        for id in groups {
            let Some(group) = networks.security_group(snapshot, &place, id) else {
                return Err(invalid(format!("The security group '{id}' does not exist")));
            };
            let mut of = known.iter().filter_map(|(_, subnet)| subnet.as_ref());
            if of.any(|subnet| subnet.vpc_id != group.vpc_id) {
                return Err(invalid(format!(
                    "Security group {id} does not appear to belong to the same VPC as the input \
                     subnets."
                )));
            }
        }
        let vpcs = known.iter().filter_map(|(_, subnet)| subnet.as_ref().map(|one| &one.vpc_id));
        if vpcs.collect::<std::collections::BTreeSet<_>>().len() > 1 {
            return Err(invalid("subnets must all be in the same vpc."));
        }
        Ok(network)
    }
}

fn check_overrides(overrides: &TaskOverride, definition: &TaskDefinition) -> Result<(), AwsError> {
    if haar_wire::to_json(overrides).to_string().len() > OVERRIDES_BYTES_MAX {
        let most = OVERRIDES_BYTES_MAX;
        return Err(invalid(format!("Container Overrides length must be at most {most}")));
    }
    let (_, most) = task_size(overrides, definition);
    let known = definition.container_definitions.as_deref().unwrap_or_default();
    for container in overrides.container_overrides.iter().flatten() {
        if !known.iter().any(|one| one.name == container.name) {
            let name = container.name.as_deref().unwrap_or_default();
            return Err(invalid(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        }
        if container.resource_requirements.iter().flatten().next().is_some() {
            return Err(not_here("resourceRequirements"));
        }
        let asked = container.memory.max(container.memory_reservation).unwrap_or(0);
        if u32::try_from(asked).is_ok_and(|asked| asked > most) {
            let name = container.name.as_deref().unwrap_or_default();
            return Err(invalid(format!(
                "Invalid setting for container '{name}'. The 'memory' of a container must not be \
                 greater than that of its task."
            )));
        }
        containers::check_files(container.environment_files.as_deref(), invalid)?;
    }
    if overrides.inference_accelerator_overrides.iter().flatten().next().is_some() {
        return Err(not_here("inferenceAcceleratorOverrides"));
    }
    let storage = overrides.ephemeral_storage.as_ref();
    if storage.is_some_and(|storage| !(21..=200).contains(&storage.size_in_gi_b)) {
        return Err(invalid("Ephemeral storage size must be between 21 and 200 GiB."));
    }
    let (cpu, memory) = task_size(overrides, definition);
    if !fargate::is_size(cpu, memory) {
        return Err(invalid(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."
        )));
    }
    Ok(())
}

/// CPU units and MiB of a task: overridden, else its definition's.
pub(crate) fn task_size(overrides: &TaskOverride, definition: &TaskDefinition) -> (u32, u32) {
    let of = |over: &Option<String>, own: &Option<String>, read: fn(&str) -> Option<u32>| {
        over.as_deref().or(own.as_deref()).and_then(read).unwrap_or(0)
    };
    (
        of(&overrides.cpu, &definition.cpu, fargate::cpu_units),
        of(&overrides.memory, &definition.memory, fargate::memory_mib),
    )
}

fn task_tags(
    input: &Input<RunTask>,
    cluster: &ClusterRow,
    definition: &DefinitionRow,
) -> Result<Tags, AwsError> {
    let mut all = match input.propagate_tags {
        Some(PropagateTags::TaskDefinition) => definition.tags.clone(),
        Some(PropagateTags::Service) => {
            return Err(invalid("Tags can be propagated from a service to its own tasks only."));
        }
        _ => Tags::new(),
    };
    all.extend(tags::read(input.tags.clone())?);
    if input.enable_ecs_managed_tags == Some(true) {
        all.insert("aws:ecs:clusterName".to_owned(), cluster.key.name.clone());
    }
    tags::check_count(&all)?;
    Ok(all)
}

/// AWS docs: *Amazon ECS API Reference > StopTask*.
impl Command<StopTask> for Ecs {
    fn command(&self, call: &Call, tx: &mut Tx, input: Input<StopTask>) -> Answer<StopTask> {
        let cluster = find_cluster(tx, call, input.cluster.as_deref())?;
        let mut row = TaskRow::clone(&*find_task(tx, &cluster.key, &input.task)?);
        if !row.must_stop {
            let reason = input.reason.filter(|reason| !reason.is_empty());
            let reason = reason.unwrap_or_else(|| "Task stopped by user".to_owned());
            row.ask_to_stop(TaskStopCode::UserInitiated, reason);
        }
        let definition = tx.get::<DefinitionRow>(&row.definition);
        let shown = render::task(&row, definition.as_deref(), true);
        announce::task(&self.doors.outbox, tx, &row, call.now);
        tx.put(row);
        Ok(StopTaskResponse { task: Some(shown) })
    }
}
