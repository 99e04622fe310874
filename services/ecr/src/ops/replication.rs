//! Replication: set, and how far it is.

use haar_ecr_contract::model::{
    DescribeImageReplicationStatus, DescribeImageReplicationStatusRequest,
    DescribeImageReplicationStatusResponse, ImageReplicationStatus, PutReplicationConfiguration,
    PutReplicationConfigurationRequest, PutReplicationConfigurationResponse,
    ReplicationConfiguration, ReplicationStatus,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::{AccountId, Region, is_region_name, partition_of};
use haar_wire::AwsError;

use crate::Ecr;
use crate::lookup::{expect_image, find_repository, key_of};
use crate::refusal;
use crate::replicate;
use crate::state::{RegistryKey, RegistryRow, ReplicationRow, ReplicationState};

/// Rules of one registry at most. AWS docs: *Amazon ECR User Guide > Private image replication*.
const RULES_MAX: usize = 10;
/// Destinations of all rules together at most.
const DESTINATIONS_MAX: usize = 25;
/// Filters of one rule at most.
const FILTERS_MAX: usize = 100;

/// AWS docs: *Amazon ECR API Reference > PutReplicationConfiguration*.
impl Command<PutReplicationConfiguration> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutReplicationConfigurationRequest,
    ) -> Answer<PutReplicationConfiguration> {
        let key = RegistryKey::of(call, None);
        let configuration = input.replication_configuration;
        check(&configuration, &key)?;
        let replication = Some(configuration.clone());
        tx.put(RegistryRow { replication, ..key.row(tx) });
        Ok(PutReplicationConfigurationResponse { replication_configuration: Some(configuration) })
    }
}

fn check(configuration: &ReplicationConfiguration, own: &RegistryKey) -> Result<(), AwsError> {
    let invalid = |text: &str| {
        let text = format!("Invalid parameter at 'replicationConfiguration': {text}");
        Err(refusal::validation(text))
    };
    let rules = &configuration.rules;
    let filters = |filters: &Option<Vec<_>>| filters.as_ref().map_or(0, Vec::len);
    let destinations: Vec<_> = rules.iter().flat_map(|rule| &rule.destinations).collect();
    if rules.len() > RULES_MAX
        || destinations.len() > DESTINATIONS_MAX
        || rules.iter().any(|rule| filters(&rule.repository_filters) > FILTERS_MAX)
    {
        return invalid("too many rules, destinations or filters");
    }
    if rules.iter().any(|rule| rule.destinations.is_empty()) {
        return invalid("each rule must have a destination");
    }
    for to in destinations {
        let account: Option<AccountId> = to.registry_id.parse().ok();
        let region: Option<Region> = to.region.parse().ok();
        let (Some(account), Some(region)) = (account, region) else {
            return invalid("a destination must be a region and a 12-digit registry id");
        };
        if !is_region_name(region.as_str()) && region != own.region {
            return invalid(&format!("there is no region '{region}'"));
        }
        // AWS docs: *Amazon ECR User Guide > Private image replication*; the words are *Ours*
        if partition_of(region.as_str()) != partition_of(own.region.as_str()) {
            return invalid("images are not replicated between partitions");
        }
        if (RegistryKey { account, region }) == *own {
            return invalid("a registry cannot be its own destination");
        }
    }
    Ok(())
}

/// AWS docs: *Amazon ECR API Reference > DescribeImageReplicationStatus*.
impl Query<DescribeImageReplicationStatus> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeImageReplicationStatusRequest,
    ) -> Answer<DescribeImageReplicationStatus> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(snapshot, &key)?;
        let image = expect_image(snapshot, &key, &input.image_id)?;
        let copies = replicate::copies(snapshot, &image.key);
        let rows = copies.iter().filter_map(|copy| snapshot.get::<ReplicationRow>(copy));
        let statuses = rows.map(|row| shown(&row)).collect();
        Ok(DescribeImageReplicationStatusResponse {
            repository_name: Some(key.name),
            image_id: Some(input.image_id),
            replication_statuses: Some(statuses),
        })
    }
}

fn shown(row: &ReplicationRow) -> ImageReplicationStatus {
    let to = &row.key.1;
    let (status, failure_code) = match &row.state {
        ReplicationState::InProgress => (ReplicationStatus::InProgress, None),
        ReplicationState::Complete => (ReplicationStatus::Complete, None),
        ReplicationState::Failed(code) => (ReplicationStatus::Failed, Some(code.clone())),
    };
    ImageReplicationStatus {
        region: Some(to.region.to_string()),
        registry_id: Some(to.account.to_string()),
        status: Some(status),
        failure_code,
    }
}
