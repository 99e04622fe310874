//! Clusters.

use haar_ecs_contract::model::{
    ClusterContainsServicesException, ClusterContainsTasksException, CreateCluster,
    CreateClusterResponse, DeleteCluster, DeleteClusterResponse, DescribeClusters,
    DescribeClustersResponse, ListClusters, ListClustersResponse, SettingName,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::cluster_settings::read_settings;
use super::setting::effective;
use crate::lookup::{Listing, find_cluster, place};
use crate::refusal::{invalid, not_here};
use crate::rules::{capacity, names, tags};
use crate::state::{ClusterKey, ClusterRow, ServiceKey, ServiceRow, ServiceStatus, TaskKey};
use crate::state::{TaskRow, TaskStatus};
use crate::{Ecs, render};

/// AWS docs: *Amazon ECS API Reference > CreateCluster*. An active cluster of that name is
/// answered as it is.
impl Command<CreateCluster> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<CreateCluster>,
    ) -> Answer<CreateCluster> {
        let name = input.cluster_name.as_deref().unwrap_or(names::DEFAULT_CLUSTER);
        names::check_name("cluster", name)?;
        let key = ClusterKey::new(&call.account, &call.region, name);
        let known = tx.get::<ClusterRow>(&key).filter(|row| row.is_active);
        let row = match known {
            Some(row) => ClusterRow::clone(&row),
            None => self.new_cluster(call, tx, key, input)?,
        };
        let cluster = render::cluster(tx, &row, &render::Include::all());
        tx.put(row);
        Ok(CreateClusterResponse { cluster: Some(cluster) })
    }
}

impl Ecs {
    fn new_cluster(
        &self,
        call: &Call,
        tx: &Tx,
        key: ClusterKey,
        input: Input<CreateCluster>,
    ) -> Result<ClusterRow, haar_wire::AwsError> {
        let providers = input.capacity_providers.unwrap_or_default();
        providers.iter().try_for_each(|name| capacity::check_provider(name))?;
        let strategy = input.default_capacity_provider_strategy.unwrap_or_default();
        capacity::check_strategy(&strategy)?;
        capacity::check_associated(&providers, &strategy)?;
        let usual =
            effective(tx, place(call), &call.principal.arn(), SettingName::ContainerInsights);
        let namespace = input.service_connect_defaults.map(|defaults| defaults.namespace);
        if namespace.as_ref().is_some_and(|name| !name.is_empty()) {
            return Err(not_here("serviceConnectDefaults"));
        }
        Ok(ClusterRow {
            key,
            is_active: true,
            container_insights: read_settings(input.settings, usual)?,
            configuration: input.configuration,
            service_connect_namespace: None,
            capacity_providers: providers,
            default_strategy: strategy,
            tags: tags::read(input.tags)?,
        })
    }
}

/// AWS docs: *Amazon ECS API Reference > DescribeClusters*.
impl Query<DescribeClusters> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<DescribeClusters>,
    ) -> Answer<DescribeClusters> {
        let named = input.clusters.filter(|named| !named.is_empty());
        let named = named.unwrap_or_else(|| vec![names::DEFAULT_CLUSTER.to_owned()]);
        if named.len() > 100 {
            return Err(invalid("Clusters cannot be longer than 100."));
        }
        let include = render::Include::of(input.include.as_deref().unwrap_or_default());
        let (mut clusters, mut failures) = (Vec::new(), Vec::new());
        for name in named {
            let key = names::cluster_key(place(call), Some(&name))?;
            let own = key.account == call.account;
            match snapshot.get::<ClusterRow>(&key).filter(|_| own) {
                Some(row) => clusters.push(render::cluster(snapshot, &row, &include)),
                None => failures.push(render::missing(key.arn())),
            }
        }
        Ok(DescribeClustersResponse { clusters: Some(clusters), failures: Some(failures) })
    }
}

/// AWS docs: *Amazon ECS API Reference > ListClusters*.
impl Query<ListClusters> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListClusters>,
    ) -> Answer<ListClusters> {
        let bounds = (input.next_token.as_deref(), input.max_results);
        let listing = Listing::new(call, "clusters".to_owned(), bounds, 100)?;
        let all = snapshot.range::<ClusterRow>(ClusterKey::all(&call.account, &call.region));
        let page = listing.page(all.filter(|row| row.is_active), |row| row.key.name.clone());
        let arns = page.items.iter().map(|row| row.key.arn()).collect();
        Ok(ListClustersResponse { cluster_arns: Some(arns), next_token: page.next })
    }
}

/// AWS docs: *Amazon ECS API Reference > DeleteCluster*.
impl Command<DeleteCluster> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteCluster>,
    ) -> Answer<DeleteCluster> {
        let row = find_cluster(tx, call, Some(&input.cluster))?;
        let services = tx.range::<ServiceRow>(ServiceKey::all(&row.key));
        if services.into_iter().any(|service| service.status == ServiceStatus::Active) {
            let text = "The Cluster cannot be deleted while Services are active.";
            return Err(ClusterContainsServicesException::message(text).into());
        }
        let mut tasks = tx.range::<TaskRow>(TaskKey::all(&row.key));
        if tasks.any(|task| task.last_status != TaskStatus::Stopped) {
            let text = "The Cluster cannot be deleted while Tasks are active.";
            return Err(ClusterContainsTasksException::message(text).into());
        }
        drop(tasks);
        let row = ClusterRow { is_active: false, ..ClusterRow::clone(&row) };
        let cluster = render::cluster(tx, &row, &render::Include::all());
        tx.put(row);
        Ok(DeleteClusterResponse { cluster: Some(cluster) })
    }
}
