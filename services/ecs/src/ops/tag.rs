//! Tags of clusters, task definitions, tasks and services.

use haar_ecs_contract::model::{
    ListTagsForResource, ListTagsForResourceResponse, ResourceNotFoundException, TagResource,
    UntagResource,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use super::Input;
use crate::Ecs;
use crate::lookup::place;
use crate::refusal::{invalid, no_cluster, no_service, no_task};
use crate::rules::names::{self, DefinitionName};
use crate::rules::tags;
use crate::state::{
    ClusterKey, ClusterRow, DefinitionKey, DefinitionRow, ServiceKey, ServiceRow, TaskKey, TaskRow,
};

/// What can have tags.
pub(crate) enum Tagged {
    Cluster(ClusterKey),
    Definition(DefinitionKey),
    Service(ServiceKey),
    Task(TaskKey),
}

impl Tagged {
    /// What an ARN of the caller's names, with its tags.
    ///
    /// # Errors
    /// When it is no such ARN, or nothing is there.
    pub(crate) fn find(
        call: &Call,
        snapshot: &Snapshot,
        arn: &str,
    ) -> Result<(Self, Tags), AwsError> {
        let wrong = || invalid(format!("Invalid ARN: {arn}"));
        let parsed: haar_types::Arn = arn.parse().map_err(|_| wrong())?;
        let (kind, path) = parsed.resource().split_once('/').ok_or_else(wrong)?;
        if parsed.account() != call.account.as_str() {
            return Err(wrong());
        }
        let in_cluster = || match path.split_once('/') {
            Some((name, _)) => Ok(ClusterKey::new(&call.account, &call.region, name)),
            None => Err(invalid("Long arn format must be used for tagging operations")),
        };
        match kind {
            "cluster" => {
                let key = names::cluster_key(place(call), Some(arn))?;
                let row = snapshot.get::<ClusterRow>(&key).ok_or_else(no_cluster)?;
                Ok((Self::Cluster(key), row.tags.clone()))
            }
            "task-definition" => {
                let name = DefinitionName::parse(place(call), arn)?;
                let key = name.key().ok_or_else(wrong)?;
                let missing = || invalid("The specified task definition was not found.");
                let row = snapshot.get::<DefinitionRow>(&key).ok_or_else(missing)?;
                Ok((Self::Definition(key), row.tags.clone()))
            }
            "service" => {
                let key = names::service_key(&in_cluster()?, arn)?;
                let row = snapshot.get::<ServiceRow>(&key).ok_or_else(no_service)?;
                Ok((Self::Service(key), row.tags.clone()))
            }
            "task" => {
                let key = names::task_key(&in_cluster()?, arn)?;
                let row = snapshot.get::<TaskRow>(&key).ok_or_else(no_task)?;
                Ok((Self::Task(key), row.tags.clone()))
            }
            _ => {
                let text = format!("The specified resource could not be found: {arn}");
                Err(ResourceNotFoundException::message(text).into())
            }
        }
    }

    pub(crate) fn arn(&self) -> String {
        match self {
            Self::Cluster(key) => key.arn(),
            Self::Definition(key) => key.arn(),
            Self::Service(key) => key.arn(),
            Self::Task(key) => key.arn(),
        }
    }

    fn write(&self, tx: &mut Tx, tags: Tags) {
        match self {
            Self::Cluster(key) => tx.update::<ClusterRow>(key, |row| row.tags = tags),
            Self::Definition(key) => tx.update::<DefinitionRow>(key, |row| row.tags = tags),
            Self::Service(key) => tx.update::<ServiceRow>(key, |row| row.tags = tags),
            Self::Task(key) => tx.update::<TaskRow>(key, |row| row.tags = tags),
        };
    }
}

/// AWS docs: *Amazon ECS API Reference > TagResource*.
impl Command<TagResource> for Ecs {
    fn command(&self, call: &Call, tx: &mut Tx, input: Input<TagResource>) -> Answer<TagResource> {
        let (tagged, mut all) = Tagged::find(call, tx, &input.resource_arn)?;
        all.extend(tags::read(Some(input.tags))?);
        tags::check_count(&all)?;
        tagged.write(tx, all);
        Ok(Default::default())
    }
}

/// AWS docs: *Amazon ECS API Reference > UntagResource*.
impl Command<UntagResource> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UntagResource>,
    ) -> Answer<UntagResource> {
        let (tagged, mut all) = Tagged::find(call, tx, &input.resource_arn)?;
        all.retain(|key, _| !input.tag_keys.contains(key));
        tagged.write(tx, all);
        Ok(Default::default())
    }
}

/// AWS docs: *Amazon ECS API Reference > ListTagsForResource*.
impl Query<ListTagsForResource> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListTagsForResource>,
    ) -> Answer<ListTagsForResource> {
        let (_, all) = Tagged::find(call, snapshot, &input.resource_arn)?;
        Ok(ListTagsForResourceResponse { tags: Some(tags::show(&all)) })
    }
}
