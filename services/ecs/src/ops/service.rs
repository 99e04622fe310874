//! Services: made and deleted.

use haar_ecs_contract::model::{
    AvailabilityZoneRebalancing, AwsVpcConfiguration, CreateService, CreateServiceResponse,
    DeleteService, DeleteServiceResponse, DeploymentControllerType, PropagateTags,
    SchedulingStrategy, ServiceConnectConfiguration, TaskDefinition, TaskOverride,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_types::{Tags, Timestamp};
use haar_wire::AwsError;

use super::Input;
use super::task::{check_compatible, digest, has_role};
use crate::announce;
use crate::doors::may_pass_roles;
use crate::lookup::{find_cluster, find_service, find_usable_definition};
use crate::order::check_platform;
use crate::refusal::{invalid, not_here};
use crate::rules::{capacity, deployment, names, tags};
use crate::state::{ServiceKey, ServiceRow, ServiceStatus, Target};
use crate::{Ecs, render, rollout};

/// Tasks that a service may want. *Developer Guide > Service quotas*.
const DESIRED_MAX: i32 = 5_000;

/// AWS docs: *Amazon ECS API Reference > CreateService*.
impl Command<CreateService> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<CreateService>,
    ) -> Answer<CreateService> {
        let cluster = find_cluster(tx, call, input.cluster.as_deref())?;
        names::check_name("service", &input.service_name)?;
        refuse(&input)?;
        let key = ServiceKey::new(&cluster.key, &input.service_name);
        let request = request(&input);
        if let Some(known) = known(tx, &key, (input.client_token.as_deref(), &request))? {
            let shown = render::service(tx, &known, true);
            return Ok(CreateServiceResponse { service: Some(shown) });
        }
        let named = input.task_definition.as_deref().filter(|named| !named.is_empty());
        let named = named.ok_or_else(|| invalid("TaskDefinition can not be blank."))?;
        let definition = find_usable_definition(tx, call, named)?;
        let strategy =
            capacity::choose(input.launch_type, input.capacity_provider_strategy, &cluster)?;
        check_compatible(&definition.definition)?;
        check_exec(input.enable_execute_command == Some(true), &definition.definition, "created")?;
        may_pass_roles(&self.doors, call, tx, &definition.definition)?;
        check_platform(input.platform_version.as_deref())?;
        let network = self.check_network(call, tx, input.network_configuration.as_ref())?;
        let target = Target {
            definition: definition.key.clone(),
            strategy,
            platform_version: platform(input.platform_version),
            network,
        };
        let mut row = ServiceRow {
            status: ServiceStatus::Active,
            desired_count: desired(input.desired_count)?
                .ok_or_else(|| invalid("desiredCount can not be blank."))?,
            configuration: deployment::configure(input.deployment_configuration, None)?,
            controller: input.deployment_controller,
            health_grace_s: grace(input.health_check_grace_period_seconds)?.unwrap_or(0),
            propagate_tags: input.propagate_tags.unwrap_or(PropagateTags::None),
            managed_tags: input.enable_ecs_managed_tags.unwrap_or(false),
            enable_execute_command: input.enable_execute_command.unwrap_or(false),
            zone_rebalancing: input
                .availability_zone_rebalancing
                .unwrap_or(AvailabilityZoneRebalancing::Enabled),
            tags: tags::read(input.tags)?,
            created_by: call.principal.arn(),
            client_token: input.client_token,
            request: Some(request),
            ..empty(key, call.now)
        };
        rollout::begin(tx, &call.ids, &mut row, target, call.now);
        announce::service(&self.doors.outbox, tx, &row, call.now);
        tx.put(row.clone());
        let shown = render::service(tx, &row, true);
        Ok(CreateServiceResponse { service: Some(shown) })
    }
}

fn empty(key: ServiceKey, now: Timestamp) -> ServiceRow {
    ServiceRow {
        key,
        status: ServiceStatus::Active,
        desired_count: 0,
        configuration: Default::default(),
        controller: None,
        health_grace_s: 0,
        propagate_tags: PropagateTags::None,
        managed_tags: false,
        enable_execute_command: false,
        zone_rebalancing: AvailabilityZoneRebalancing::Enabled,
        tags: Tags::new(),
        created_at: now,
        created_by: String::new(),
        client_token: None,
        request: None,
        inactive_at: None,
        rollouts: Vec::new(),
        events: Vec::new(),
        failure_count: 0,
        failed_at: None,
        steady_told_at: None,
    }
}

/// What tells requests for services apart: all but the token.
fn request(input: &Input<CreateService>) -> String {
    let mut all = haar_wire::to_json(input);
    if let Some(members) = all.as_object_mut() {
        members.remove("clientToken");
    }
    digest(&all)
}

/// Refuses execution of commands in tasks without a role: the agent acts under it.
pub(super) fn check_exec(
    is_asked: bool,
    definition: &TaskDefinition,
    what: &str,
) -> Result<(), AwsError> {
    match is_asked && !has_role(&TaskOverride::default(), definition) {
        true => Err(invalid(format!(
            "The service couldn't be {what} because a valid taskRoleArn is not being used. Specify \
             a valid task role in your task definition and try again."
        ))),
        false => Ok(()),
    }
}

/// A service of that name: the same by its token and what was asked with it, or in the way.
fn known(
    tx: &Tx,
    key: &ServiceKey,
    (token, request): (Option<&str>, &String),
) -> Result<Option<std::sync::Arc<ServiceRow>>, AwsError> {
    let Some(row) = tx.get::<ServiceRow>(key) else { return Ok(None) };
    let is_same = |row: &ServiceRow| {
        let is_known = row.request.as_ref().is_none_or(|known| known == request);
        token.is_some() && row.client_token.as_deref() == token && is_known
    };
    match row.status {
        ServiceStatus::Inactive => Ok(None),
        ServiceStatus::Draining => {
            Err(invalid("Unable to Start a service that is still Draining."))
        }
        ServiceStatus::Active if is_same(&row) => Ok(Some(row)),
        ServiceStatus::Active => Err(invalid("Creation of service was not idempotent.")),
    }
}

fn refuse(input: &Input<CreateService>) -> Result<(), AwsError> {
    if input.scheduling_strategy == Some(SchedulingStrategy::Daemon) {
        return Err(invalid(
            "Tasks using the Fargate launch type do not support the DAEMON scheduling strategy.",
        ));
    }
    let controller = input.deployment_controller.as_ref().map(|controller| controller.r#type);
    if let Some(other) = controller.filter(|kind| *kind != DeploymentControllerType::Ecs) {
        return Err(not_here(&format!("Deployment controller {other}")));
    }
    refuse_extras(&[
        (some(&input.load_balancers), "loadBalancers"),
        (some(&input.service_registries), "serviceRegistries"),
        (some(&input.volume_configurations), "volumeConfigurations"),
        (some(&input.vpc_lattice_configurations), "vpcLatticeConfigurations"),
        (input.role.as_ref().is_some_and(|role| !role.is_empty()), "role"),
        (connects(input.service_connect_configuration.as_ref()), "serviceConnectConfiguration"),
    ])?;
    refuse_placement(some(&input.placement_constraints), some(&input.placement_strategy))
}

pub(super) fn refuse_extras(asked: &[(bool, &str)]) -> Result<(), AwsError> {
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(not_here(what)),
        None => Ok(()),
    }
}

pub(super) fn refuse_placement(constraints: bool, strategy: bool) -> Result<(), AwsError> {
    if constraints {
        return Err(invalid("Placement constraints are not supported with FARGATE launch type."));
    }
    if strategy {
        return Err(invalid("Placement strategies are not supported with FARGATE launch type."));
    }
    Ok(())
}

pub(super) fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

pub(super) fn connects(configuration: Option<&ServiceConnectConfiguration>) -> bool {
    configuration.is_some_and(|configuration| configuration.enabled)
}

pub(super) fn platform(version: Option<String>) -> String {
    version.filter(|version| !version.is_empty()).unwrap_or_else(|| "LATEST".to_owned())
}

pub(super) fn desired(count: Option<i32>) -> Result<Option<u32>, AwsError> {
    match count {
        None => Ok(None),
        Some(count) if (0..=DESIRED_MAX).contains(&count) => Ok(u32::try_from(count).ok()),
        Some(_) => Err(invalid(format!("desiredCount must be between 0 and {DESIRED_MAX}."))),
    }
}

pub(super) fn grace(seconds: Option<i32>) -> Result<Option<u32>, AwsError> {
    let Some(seconds) = seconds else { return Ok(None) };
    let seconds = u32::try_from(seconds);
    seconds.map(Some).map_err(|_| invalid("healthCheckGracePeriodSeconds must not be negative."))
}

/// AWS docs: *Amazon ECS API Reference > DeleteService*.
impl Command<DeleteService> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteService>,
    ) -> Answer<DeleteService> {
        let cluster = find_cluster(tx, call, input.cluster.as_deref())?;
        let mut row = ServiceRow::clone(&*find_service(tx, &cluster.key, &input.service)?);
        if row.desired_count > 0 && input.force != Some(true) {
            return Err(invalid("The service cannot be stopped while it is scaled above 0."));
        }
        rollout::supersede(tx, &row, call.now);
        row.status = ServiceStatus::Draining;
        row.desired_count = 0;
        tx.put(row.clone());
        let shown = render::service(tx, &row, true);
        Ok(DeleteServiceResponse { service: Some(shown) })
    }
}

/// Where a target's interfaces are: the same in another order is the same.
pub(super) fn same_network(one: &AwsVpcConfiguration, other: &AwsVpcConfiguration) -> bool {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    let groups = |network: &AwsVpcConfiguration| {
        sorted(network.security_groups.as_deref().unwrap_or_default())
    };
    sorted(&one.subnets) == sorted(&other.subnets)
        && groups(one) == groups(other)
        && one.assign_public_ip == other.assign_public_ip
}
