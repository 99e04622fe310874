//! Attributes of container instances, and the instances themselves: on Fargate there are none.

use haar_ecs_contract::model::{
    Attribute, DeleteAttributes, DescribeContainerInstances, DescribeContainerInstancesResponse,
    ListAttributes, ListAttributesResponse, ListContainerInstances, ListContainerInstancesResponse,
    PutAttributes, TargetNotFoundException,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::Input;
use crate::lookup::{Listing, find_cluster};
use crate::refusal::invalid;
use crate::{Ecs, render};

fn no_target(attributes: &[Attribute]) -> AwsError {
    let Some(first) = attributes.first() else {
        return invalid("Attributes can not be empty.");
    };
    let target = first.target_id.as_deref().unwrap_or_default();
    let text = format!("The specified target was not found: {target}");
    TargetNotFoundException::message(text).into()
}

/// AWS docs: *Amazon ECS API Reference > PutAttributes*.
impl Command<PutAttributes> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutAttributes>,
    ) -> Answer<PutAttributes> {
        find_cluster(tx, call, input.cluster.as_deref())?;
        Err(no_target(&input.attributes))
    }
}

/// AWS docs: *Amazon ECS API Reference > DeleteAttributes*.
impl Command<DeleteAttributes> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteAttributes>,
    ) -> Answer<DeleteAttributes> {
        find_cluster(tx, call, input.cluster.as_deref())?;
        Err(no_target(&input.attributes))
    }
}

/// AWS docs: *Amazon ECS API Reference > ListAttributes*.
impl Query<ListAttributes> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListAttributes>,
    ) -> Answer<ListAttributes> {
        let cluster = find_cluster(snapshot, call, input.cluster.as_deref())?;
        let bounds = (input.next_token.as_deref(), input.max_results);
        let listing = Listing::new(call, format!("attributes/{}", cluster.key.name), bounds, 100)?;
        let page = listing.page(Vec::new(), |one: &Attribute| one.name.clone());
        Ok(ListAttributesResponse { attributes: Some(page.items), next_token: page.next })
    }
}

/// AWS docs: *Amazon ECS API Reference > ListContainerInstances*.
impl Query<ListContainerInstances> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListContainerInstances>,
    ) -> Answer<ListContainerInstances> {
        let cluster = find_cluster(snapshot, call, input.cluster.as_deref())?;
        let bounds = (input.next_token.as_deref(), input.max_results);
        let listing = Listing::new(call, format!("instances/{}", cluster.key.name), bounds, 100)?;
        let page = listing.page(Vec::new(), String::clone);
        Ok(ListContainerInstancesResponse {
            container_instance_arns: Some(page.items),
            next_token: page.next,
        })
    }
}

/// AWS docs: *Amazon ECS API Reference > DescribeContainerInstances*.
impl Query<DescribeContainerInstances> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<DescribeContainerInstances>,
    ) -> Answer<DescribeContainerInstances> {
        find_cluster(snapshot, call, input.cluster.as_deref())?;
        let failures = input.container_instances.into_iter().map(render::missing).collect();
        Ok(DescribeContainerInstancesResponse {
            container_instances: Some(Vec::new()),
            failures: Some(failures),
        })
    }
}
