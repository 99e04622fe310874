//! Service deployments and revisions: what happened.

use haar_ecs_contract::model::{
    ConflictException, DescribeServiceDeployments, DescribeServiceDeploymentsResponse,
    DescribeServiceRevisions, DescribeServiceRevisionsResponse, ListServiceDeployments,
    ListServiceDeploymentsResponse, ServiceDeploymentNotFoundException, ServiceDeploymentStatus,
    StopServiceDeployment, StopServiceDeploymentResponse, StopServiceDeploymentStopType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::{Arn, Partition};

use super::Input;
use crate::lookup::{Listing, find_cluster};
use crate::refusal::{invalid, no_service, not_here};
use crate::rules::names;
use crate::state::{
    ClusterKey, DeploymentRow, RevisionRow, ServiceKey, ServicePartKey, ServiceRow,
};
use crate::{Ecs, render};

/// Reads the ARN of a `service-deployment` or `service-revision`.
fn part_key(call: &Call, arn: &str, kind: &str) -> Option<ServicePartKey> {
    let parsed: Arn = arn.parse().ok()?;
    let own = parsed.account() == call.account.as_str()
        && parsed.region() == call.region.as_str()
        && parsed.service() == "ecs"
        && Partition::holds(arn);
    let mut parts = parsed.resource().split('/');
    let (found, cluster, service, id) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let cluster = ClusterKey::new(&call.account, &call.region, cluster);
    let key = ServicePartKey::new(&ServiceKey::new(&cluster, service), id);
    (own && found == kind && parts.next().is_none()).then_some(key)
}

/// AWS docs: *Amazon ECS API Reference > ListServiceDeployments*. Newest first.
impl Query<ListServiceDeployments> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListServiceDeployments>,
    ) -> Answer<ListServiceDeployments> {
        let cluster = find_cluster(snapshot, call, input.cluster.as_deref())?;
        let key = names::service_key(&cluster.key, &input.service)?;
        if !snapshot.contains::<ServiceRow>(&key) {
            return Err(no_service());
        }
        let wanted = input.status.unwrap_or_default();
        let range = input.created_at.unwrap_or_default();
        let fits = |row: &DeploymentRow| {
            (wanted.is_empty() || wanted.contains(&row.status))
                && range.before.is_none_or(|before| row.created_at < before)
                && range.after.is_none_or(|after| row.created_at > after)
        };
        let rows = snapshot.range::<DeploymentRow>(ServicePartKey::all(&key));
        let mut rows: Vec<_> = rows.filter(|row| fits(row)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
        let bounds = (input.next_token.as_deref(), input.max_results);
        let listing = Listing::new(call, format!("deployments/{}", key.arn()), bounds, 100)?;
        let page = listing.page(rows, |row| row.key.id.clone());
        let briefs = page.items.iter().map(|row| render::deployment_brief(row)).collect();
        Ok(ListServiceDeploymentsResponse {
            service_deployments: Some(briefs),
            next_token: page.next,
        })
    }
}

/// AWS docs: *Amazon ECS API Reference > DescribeServiceDeployments*.
impl Query<DescribeServiceDeployments> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<DescribeServiceDeployments>,
    ) -> Answer<DescribeServiceDeployments> {
        check_count(input.service_deployment_arns.len())?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in input.service_deployment_arns {
            let key = part_key(call, &arn, "service-deployment");
            match key.and_then(|key| snapshot.get::<DeploymentRow>(&key)) {
                Some(row) => found.push(render::deployment(snapshot, &row)),
                None => failures.push(render::missing(arn)),
            }
        }
        Ok(DescribeServiceDeploymentsResponse {
            service_deployments: Some(found),
            failures: Some(failures),
        })
    }
}

/// AWS docs: *Amazon ECS API Reference > DescribeServiceRevisions*.
impl Query<DescribeServiceRevisions> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<DescribeServiceRevisions>,
    ) -> Answer<DescribeServiceRevisions> {
        check_count(input.service_revision_arns.len())?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in input.service_revision_arns {
            let key = part_key(call, &arn, "service-revision");
            match key.and_then(|key| snapshot.get::<RevisionRow>(&key)) {
                Some(row) => found.push(render::revision(&row)),
                None => failures.push(render::missing(arn)),
            }
        }
        Ok(DescribeServiceRevisionsResponse {
            service_revisions: Some(found),
            failures: Some(failures),
        })
    }
}

fn check_count(count: usize) -> Result<(), haar_wire::AwsError> {
    if (1..=20).contains(&count) {
        return Ok(());
    }
    Err(invalid("You must specify between 1 and 20 ARNs."))
}

/// AWS docs: *Amazon ECS API Reference > StopServiceDeployment*.
impl Command<StopServiceDeployment> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<StopServiceDeployment>,
    ) -> Answer<StopServiceDeployment> {
        if input.stop_type == Some(StopServiceDeploymentStopType::Abort) {
            return Err(not_here("stopType ABORT"));
        }
        let arn = input.service_deployment_arn;
        let key = part_key(call, &arn, "service-deployment");
        let row = key.and_then(|key| tx.get::<DeploymentRow>(&key));
        let missing = "The service deployment was not found.";
        let row = row.ok_or_else(|| ServiceDeploymentNotFoundException::message(missing))?;
        if !row.is_open() {
            let text = format!("The service deployment is {} and cannot be stopped.", row.status);
            let (resource_ids, message) = (Some(vec![arn]), Some(text));
            return Err(ConflictException { resource_ids, message }.into());
        }
        let mut row = DeploymentRow::clone(&row);
        if row.rollback.is_none() {
            let reason = "Rollback was requested by StopServiceDeployment.";
            row.set(ServiceDeploymentStatus::RollbackRequested, reason, call.now);
            tx.put(row);
        }
        Ok(StopServiceDeploymentResponse { service_deployment_arn: Some(arn) })
    }
}
