//! How rows are named.

use std::fmt;
use std::ops::RangeInclusive;

use haar_types::{AccountId, Region};
use serde::{Deserialize, Serialize};

/// Sorts behind every text that AWS allows in a name.
const LAST: &str = "\u{10ffff}";

/// A cluster: `arn:aws:ecs:REGION:ACCOUNT:cluster/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterKey {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its name.
    pub name: String,
}

impl ClusterKey {
    /// Names a cluster.
    pub fn new(account: &AccountId, region: &Region, name: &str) -> Self {
        Self { account: account.clone(), region: region.clone(), name: name.to_owned() }
    }

    /// All clusters of an account in a region.
    pub fn all(account: &AccountId, region: &Region) -> RangeInclusive<Self> {
        Self::new(account, region, "")..=Self::new(account, region, LAST)
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.account, &self.region, format_args!("cluster/{}", self.name))
    }
}

/// A revision of a task definition: `arn:aws:ecs:REGION:ACCOUNT:task-definition/FAMILY:REVISION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DefinitionKey {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its family.
    pub family: String,
    /// Counts from 1.
    pub revision: u32,
}

impl DefinitionKey {
    /// Names a revision.
    pub fn new(account: &AccountId, region: &Region, family: &str, revision: u32) -> Self {
        let (account, region) = (account.clone(), region.clone());
        Self { account, region, family: family.to_owned(), revision }
    }

    /// All revisions of a family.
    pub fn family(account: &AccountId, region: &Region, family: &str) -> RangeInclusive<Self> {
        Self::new(account, region, family, 0)..=Self::new(account, region, family, u32::MAX)
    }

    /// All revisions of all families.
    pub fn all(account: &AccountId, region: &Region) -> RangeInclusive<Self> {
        Self::new(account, region, "", 0)..=Self::new(account, region, LAST, u32::MAX)
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.account, &self.region, format_args!("task-definition/{self}"))
    }
}

impl fmt::Display for DefinitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.family, self.revision)
    }
}

/// A task: `arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`, the long form only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskKey {
    /// Its cluster.
    pub cluster: ClusterKey,
    /// 32 lower-case hex digits.
    pub id: String,
}

impl TaskKey {
    /// Names a task.
    pub fn new(cluster: &ClusterKey, id: &str) -> Self {
        Self { cluster: cluster.clone(), id: id.to_owned() }
    }

    /// All tasks of a cluster.
    pub fn all(cluster: &ClusterKey) -> RangeInclusive<Self> {
        Self::new(cluster, "")..=Self::new(cluster, LAST)
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        let resource = format_args!("task/{}/{}", self.cluster.name, self.id);
        arn(&self.cluster.account, &self.cluster.region, resource)
    }

    /// The ARN of one of its containers.
    pub fn container_arn(&self, container_id: &str) -> String {
        let resource = format_args!("container/{}/{}/{container_id}", self.cluster.name, self.id);
        arn(&self.cluster.account, &self.cluster.region, resource)
    }
}

/// A service: `arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Its cluster.
    pub cluster: ClusterKey,
    /// Its name.
    pub name: String,
}

impl ServiceKey {
    /// Names a service.
    pub fn new(cluster: &ClusterKey, name: &str) -> Self {
        Self { cluster: cluster.clone(), name: name.to_owned() }
    }

    /// All services of a cluster.
    pub fn all(cluster: &ClusterKey) -> RangeInclusive<Self> {
        Self::new(cluster, "")..=Self::new(cluster, LAST)
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        self.arn_of("service", "")
    }

    /// The ARN of what belongs to it: a `service-deployment` or `service-revision`.
    pub(crate) fn arn_of(&self, kind: &str, id: &str) -> String {
        let separator = if id.is_empty() { "" } else { "/" };
        let (cluster, name) = (&self.cluster.name, &self.name);
        let resource = format_args!("{kind}/{cluster}/{name}{separator}{id}");
        arn(&self.cluster.account, &self.cluster.region, resource)
    }

    /// The entry of the indexes that find what belongs to it.
    pub(crate) fn index(&self) -> String {
        let ClusterKey { account, region, name } = &self.cluster;
        format!("{account}|{region}|{name}|{}", self.name)
    }
}

/// A deployment or a revision of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServicePartKey {
    /// Its service.
    pub service: ServiceKey,
    /// Its id: letters and digits for deployments, digits for revisions.
    pub id: String,
}

impl ServicePartKey {
    /// Names one.
    pub fn new(service: &ServiceKey, id: &str) -> Self {
        Self { service: service.clone(), id: id.to_owned() }
    }

    /// All of a service.
    pub fn all(service: &ServiceKey) -> RangeInclusive<Self> {
        Self::new(service, "")..=Self::new(service, LAST)
    }
}

fn arn(account: &AccountId, region: &Region, resource: fmt::Arguments<'_>) -> String {
    format!("arn:aws:ecs:{region}:{account}:{resource}")
}
