//! Changes of clusters.

use haar_ecs_contract::model::{
    ClusterSetting, PutClusterCapacityProviders, PutClusterCapacityProvidersResponse,
    ResourceInUseException, UpdateCluster, UpdateClusterResponse, UpdateClusterSettings,
    UpdateClusterSettingsResponse,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_wire::AwsError;

use super::Input;
use crate::lookup::find_cluster;
use crate::refusal::{invalid, not_here};
use crate::rules::capacity;
use crate::state::{
    ClusterRow, ServiceKey, ServiceRow, ServiceStatus, TaskKey, TaskRow, TaskStatus,
};
use crate::{Ecs, render};

/// Reads `containerInsights` out of settings.
pub(super) fn read_settings(
    settings: Option<Vec<ClusterSetting>>,
    usual: String,
) -> Result<String, AwsError> {
    let given = settings.into_iter().flatten().next_back();
    let value = given.and_then(|setting| setting.value).unwrap_or(usual);
    if !["enabled", "disabled", "enhanced"].contains(&value.as_str()) {
        return Err(invalid(format!("Invalid cluster setting value: {value}")));
    }
    Ok(value)
}

/// AWS docs: *Amazon ECS API Reference > UpdateCluster*.
impl Command<UpdateCluster> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UpdateCluster>,
    ) -> Answer<UpdateCluster> {
        let mut row = ClusterRow::clone(&*find_cluster(tx, call, Some(&input.cluster))?);
        let namespace = input.service_connect_defaults.map(|defaults| defaults.namespace);
        if namespace.is_some_and(|name| !name.is_empty()) {
            return Err(not_here("serviceConnectDefaults"));
        }
        row.container_insights = read_settings(input.settings, row.container_insights)?;
        row.configuration = input.configuration.or(row.configuration);
        let cluster = render::cluster(tx, &row, &render::Include::all());
        tx.put(row);
        Ok(UpdateClusterResponse { cluster: Some(cluster) })
    }
}

/// AWS docs: *Amazon ECS API Reference > UpdateClusterSettings*.
impl Command<UpdateClusterSettings> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UpdateClusterSettings>,
    ) -> Answer<UpdateClusterSettings> {
        let mut row = ClusterRow::clone(&*find_cluster(tx, call, Some(&input.cluster))?);
        row.container_insights = read_settings(Some(input.settings), row.container_insights)?;
        let cluster = render::cluster(tx, &row, &render::Include::all());
        tx.put(row);
        Ok(UpdateClusterSettingsResponse { cluster: Some(cluster) })
    }
}

/// AWS docs: *Amazon ECS API Reference > PutClusterCapacityProviders*.
impl Command<PutClusterCapacityProviders> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutClusterCapacityProviders>,
    ) -> Answer<PutClusterCapacityProviders> {
        let mut row = ClusterRow::clone(&*find_cluster(tx, call, Some(&input.cluster))?);
        input.capacity_providers.iter().try_for_each(|name| capacity::check_provider(name))?;
        let strategy = &input.default_capacity_provider_strategy;
        capacity::check_strategy(strategy)?;
        capacity::check_associated(&input.capacity_providers, strategy)?;
        let is_given_up = |name: &&String| !input.capacity_providers.contains(name);
        if row.capacity_providers.iter().filter(is_given_up).any(|name| is_in_use(tx, &row, name)) {
            let text = "The specified capacity provider is in use and cannot be removed.";
            return Err(ResourceInUseException::message(text).into());
        }
        row.capacity_providers = input.capacity_providers;
        row.default_strategy = input.default_capacity_provider_strategy;
        let cluster = render::cluster(tx, &row, &render::Include::all());
        tx.put(row);
        Ok(PutClusterCapacityProvidersResponse { cluster: Some(cluster) })
    }
}

/// Whether a task of the cluster is on a provider, or a service's tasks may come to be.
fn is_in_use(tx: &Tx, cluster: &ClusterRow, provider: &str) -> bool {
    let mut tasks = tx.range::<TaskRow>(TaskKey::all(&cluster.key));
    let mut services = tx.range::<ServiceRow>(ServiceKey::all(&cluster.key));
    tasks.any(|task| {
        task.last_status != TaskStatus::Stopped
            && task.capacity_provider.as_deref() == Some(provider)
    }) || services.any(|service| {
        let mut items = service.rollouts.iter().flat_map(|rollout| &rollout.target.strategy);
        service.status != ServiceStatus::Inactive
            && items.any(|item| item.capacity_provider == provider)
    })
}
