//! Services: changed.

use haar_ecs_contract::model::{DeploymentControllerType, UpdateService, UpdateServiceResponse};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_wire::AwsError;

use super::Input;
use super::service::{
    check_exec, connects, desired, grace, platform, refuse_extras, refuse_placement, same_network,
    some,
};
use super::task::check_compatible;
use crate::announce;
use crate::doors::may_pass_roles;
use crate::lookup::{find_cluster, find_service, find_usable_definition};
use crate::order::check_platform;
use crate::refusal::{invalid, not_here, service_not_active};
use crate::rules::{capacity, deployment};
use crate::state::{ClusterRow, DefinitionRow, ServiceRow, Target};
use crate::{Ecs, render, rollout};

/// AWS docs: *Amazon ECS API Reference > UpdateService*. A new deployment begins where the
/// task definition, network, platform or strategy changes, or where it is forced.
impl Command<UpdateService> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UpdateService>,
    ) -> Answer<UpdateService> {
        let cluster = find_cluster(tx, call, input.cluster.as_deref())?;
        let mut row = ServiceRow::clone(&*find_service(tx, &cluster.key, &input.service)?);
        refuse(&input)?;
        let old = row.primary().ok_or_else(service_not_active)?.target.clone();
        let target = self.new_target(call, tx, (&input, &cluster), &old)?;
        let execs = input.enable_execute_command.unwrap_or(row.enable_execute_command);
        let is_news = input.enable_execute_command.is_some() || target.definition != old.definition;
        if let Some(definition) = tx.get::<DefinitionRow>(&target.definition) {
            check_exec(execs && is_news, &definition.definition, "updated")?;
        }
        row.configuration =
            deployment::configure(input.deployment_configuration, Some(&row.configuration))?;
        let counts = desired(input.desired_count)?;
        if counts.is_some_and(|count| count != row.desired_count) {
            row.steady_told_at = None;
        }
        row.desired_count = counts.unwrap_or(row.desired_count);
        row.health_grace_s =
            grace(input.health_check_grace_period_seconds)?.unwrap_or(row.health_grace_s);
        row.propagate_tags = input.propagate_tags.unwrap_or(row.propagate_tags);
        row.managed_tags = input.enable_ecs_managed_tags.unwrap_or(row.managed_tags);
        row.enable_execute_command = execs;
        row.zone_rebalancing = input.availability_zone_rebalancing.unwrap_or(row.zone_rebalancing);
        let is_same = target.definition == old.definition
            && target.strategy == old.strategy
            && target.platform_version == old.platform_version
            && same_network(&target.network, &old.network);
        if !is_same || input.force_new_deployment == Some(true) {
            rollout::begin(tx, &call.ids, &mut row, target, call.now);
        }
        announce::service(&self.doors.outbox, tx, &row, call.now);
        tx.put(row.clone());
        let shown = render::service(tx, &row, false);
        Ok(UpdateServiceResponse { service: Some(shown) })
    }
}

impl Ecs {
    fn new_target(
        &self,
        call: &Call,
        tx: &Tx,
        (input, cluster): (&Input<UpdateService>, &ClusterRow),
        old: &Target,
    ) -> Result<Target, AwsError> {
        let mut target = old.clone();
        if let Some(named) = &input.task_definition {
            let definition = find_usable_definition(tx, call, named)?;
            check_compatible(&definition.definition)?;
            may_pass_roles(&self.doors, call, tx, &definition.definition)?;
            target.definition = definition.key.clone();
        }
        if input.network_configuration.is_some() {
            target.network = self.check_network(call, tx, input.network_configuration.as_ref())?;
        }
        if input.platform_version.is_some() {
            check_platform(input.platform_version.as_deref())?;
            target.platform_version = platform(input.platform_version.clone());
        }
        if let Some(strategy) = &input.capacity_provider_strategy {
            capacity::check_strategy(strategy)?;
            capacity::check_associated(&cluster.capacity_providers, strategy)?;
            let is_change = *strategy != old.strategy;
            if is_change && input.force_new_deployment != Some(true) {
                return Err(invalid(
                    "When switching from launch type to capacity provider strategy on an existing \
                     service, or making a change to a capacity provider strategy on a service that \
                     is already using one, you must force a new deployment.",
                ));
            }
            target.strategy = strategy.clone();
        }
        Ok(target)
    }
}

fn refuse(input: &Input<UpdateService>) -> Result<(), AwsError> {
    let controller = input.deployment_controller.as_ref().map(|controller| controller.r#type);
    if let Some(other) = controller.filter(|kind| *kind != DeploymentControllerType::Ecs) {
        return Err(not_here(&format!("Deployment controller {other}")));
    }
    refuse_extras(&[
        (some(&input.load_balancers), "loadBalancers"),
        (some(&input.service_registries), "serviceRegistries"),
        (some(&input.volume_configurations), "volumeConfigurations"),
        (some(&input.vpc_lattice_configurations), "vpcLatticeConfigurations"),
        (connects(input.service_connect_configuration.as_ref()), "serviceConnectConfiguration"),
    ])?;
    refuse_placement(some(&input.placement_constraints), some(&input.placement_strategy))
}
