//! Services: described and listed.

use haar_ecs_contract::model::{
    DescribeServices, DescribeServicesResponse, LaunchType, ListServices, ListServicesByNamespace,
    ListServicesResponse, NamespaceNotFoundException, ResourceManagementType, SchedulingStrategy,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use super::Input;
use crate::lookup::{Listing, find_cluster};
use crate::refusal::invalid;
use crate::rules::names;
use crate::state::{ServiceKey, ServiceRow, ServiceStatus};
use crate::{Ecs, render};

/// AWS docs: *Amazon ECS API Reference > DescribeServices*.
impl Query<DescribeServices> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<DescribeServices>,
    ) -> Answer<DescribeServices> {
        let cluster = find_cluster(snapshot, call, input.cluster.as_deref())?;
        if input.services.is_empty() || input.services.len() > 10 {
            return Err(invalid("You must specify between 1 and 10 services."));
        }
        let wants_tags = input.include.is_some_and(|fields| !fields.is_empty());
        let (mut services, mut failures) = (Vec::new(), Vec::new());
        for named in &input.services {
            let key = names::service_key(&cluster.key, named)?;
            match snapshot.get::<ServiceRow>(&key) {
                Some(row) => services.push(render::service(snapshot, &row, wants_tags)),
                None => failures.push(render::missing(key.arn())),
            }
        }
        Ok(DescribeServicesResponse { services: Some(services), failures: Some(failures) })
    }
}

/// AWS docs: *Amazon ECS API Reference > ListServices*.
impl Query<ListServices> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListServices>,
    ) -> Answer<ListServices> {
        let cluster = find_cluster(snapshot, call, input.cluster.as_deref())?;
        let is_possible = input.launch_type.is_none_or(|kind| kind == LaunchType::Fargate)
            && input.scheduling_strategy.is_none_or(|kind| kind == SchedulingStrategy::Replica)
            && input
                .resource_management_type
                .is_none_or(|kind| kind == ResourceManagementType::Customer);
        let rows = snapshot.range::<ServiceRow>(ServiceKey::all(&cluster.key));
        let rows = rows.filter(|row| is_possible && row.status != ServiceStatus::Inactive);
        let bounds = (input.next_token.as_deref(), input.max_results.or(Some(10)));
        let listing = Listing::new(call, format!("services/{}", cluster.key.name), bounds, 100)?;
        let page = listing.page(rows, |row| row.key.name.clone());
        Ok(ListServicesResponse {
            service_arns: Some(page.items.iter().map(|row| row.key.arn()).collect()),
            next_token: page.next,
        })
    }
}

/// AWS docs: *Amazon ECS API Reference > ListServicesByNamespace*. There are no namespaces here.
impl Query<ListServicesByNamespace> for Ecs {
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        input: Input<ListServicesByNamespace>,
    ) -> Answer<ListServicesByNamespace> {
        let text = format!("The specified namespace was not found: {}", input.namespace);
        Err(NamespaceNotFoundException::message(text).into())
    }
}
