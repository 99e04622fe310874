//! Names, and the ways to say them: short or as an ARN.

use haar_types::{AccountId, Arn, Region};
use haar_wire::AwsError;

use crate::refusal::{client, invalid};
use crate::state::{ClusterKey, DefinitionKey, ServiceKey, TaskKey};

/// The cluster of calls that name none.
pub(crate) const DEFAULT_CLUSTER: &str = "default";

/// Where a call is: names without account and region are of this place.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) region: &'a Region,
}

/// The cluster that is named, or the default one.
pub(crate) fn cluster_key(place: Place<'_>, named: Option<&str>) -> ClusterKey {
    let named = named.filter(|named| !named.is_empty()).unwrap_or(DEFAULT_CLUSTER);
    match resource(named, "cluster") {
        Some((account, region, name)) => ClusterKey::new(&account, &region, &name),
        None => ClusterKey::new(place.account, place.region, named),
    }
}

/// A task by its id or ARN, within a cluster. Short ARNs have no cluster.
pub(crate) fn task_key(cluster: &ClusterKey, named: &str) -> Result<TaskKey, AwsError> {
    let id = match resource(named, "task") {
        Some((_, _, path)) => match path.split_once('/') {
            Some((name, _)) if name != cluster.name => {
                return Err(invalid("The task's cluster is not the cluster of this request."));
            }
            Some((_, id)) => id.to_owned(),
            None => path,
        },
        None if named.starts_with("arn:") => {
            return Err(invalid(format!("Invalid identifier: {named}")));
        }
        None => named.to_owned(),
    };
    Ok(TaskKey::new(cluster, &id))
}

/// A service by its name or ARN, within a cluster.
pub(crate) fn service_key(cluster: &ClusterKey, named: &str) -> ServiceKey {
    match resource(named, "service") {
        Some((_, _, path)) => match path.split_once('/') {
            Some((name, service)) => {
                let other = ClusterKey { name: name.to_owned(), ..cluster.clone() };
                ServiceKey::new(&other, service)
            }
            None => ServiceKey::new(cluster, &path),
        },
        None => ServiceKey::new(cluster, named),
    }
}

/// What names a task definition: a family with or without its revision.
pub(crate) struct DefinitionName {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) family: String,
    /// `None`: the latest active one.
    pub(crate) revision: Option<u32>,
}

impl DefinitionName {
    /// Reads `family`, `family:revision` or an ARN.
    pub(crate) fn parse(place: Place<'_>, named: &str) -> Result<Self, AwsError> {
        let (account, region, path) = match resource(named, "task-definition") {
            Some(found) => found,
            None if named.starts_with("arn:") => {
                return Err(invalid(format!("Invalid identifier: {named}")));
            }
            None => (place.account.clone(), place.region.clone(), named.to_owned()),
        };
        let (family, revision) = match path.split_once(':') {
            None => (path, None),
            Some((family, revision)) => {
                let number = revision.parse().ok().filter(|number| *number > 0);
                let text = format!("Invalid revision number. Number: {revision}");
                (family.to_owned(), Some(number.ok_or_else(|| invalid(text))?))
            }
        };
        Ok(Self { account, region, family, revision })
    }

    /// The key, where a revision is named.
    pub(crate) fn key(&self) -> Option<DefinitionKey> {
        let revision = self.revision?;
        Some(DefinitionKey::new(&self.account, &self.region, &self.family, revision))
    }
}

/// Account, region and path of an ECS ARN of a kind.
fn resource(named: &str, kind: &str) -> Option<(AccountId, Region, String)> {
    let arn: Arn = named.parse().ok()?;
    let path = arn.resource().strip_prefix(kind)?.strip_prefix('/')?;
    if arn.service() != "ecs" {
        return None;
    }
    Some((arn.account().parse().ok()?, arn.region().parse().ok()?, path.to_owned()))
}

/// Letters, digits, hyphens and underscores, at most 255.
pub(crate) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=255).contains(&name.len()) && name.bytes().all(legal)
}

const ALLOWED: &str = "up to 255 letters (uppercase and lowercase), numbers, underscores, and \
     hyphens are allowed.";

/// Refuses what is no name of a cluster or service; `noun` is which.
pub(crate) fn check_name(noun: &str, name: &str) -> Result<(), AwsError> {
    if is_name(name) {
        return Ok(());
    }
    Err(invalid(format!("Invalid {noun} name: {ALLOWED}")))
}

/// Refuses what is no family.
pub(crate) fn check_family(name: &str) -> Result<(), AwsError> {
    if is_name(name) {
        return Ok(());
    }
    Err(client(format!("Invalid family: {ALLOWED}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_definition_is_named_by_family_revision_or_arn() {
        let (account, region) = (AccountId::default(), Region::default());
        let place = Place { account: &account, region: &region };
        let read =
            |text| DefinitionName::parse(place, text).map(|name| (name.family, name.revision));
        assert_eq!(read("web").unwrap(), ("web".to_owned(), None));
        assert_eq!(read("web:7").unwrap(), ("web".to_owned(), Some(7)));
        let arn = "arn:aws:ecs:us-east-1:000000000000:task-definition/web:3";
        assert_eq!(read(arn).unwrap(), ("web".to_owned(), Some(3)));
        assert!(read("web:x").unwrap_err().message().starts_with("Invalid revision number"));
    }

    #[test]
    fn tasks_and_services_are_named_short_or_by_arn() {
        let (account, region) = (AccountId::default(), Region::default());
        let cluster = cluster_key(Place { account: &account, region: &region }, None);
        assert_eq!(cluster.name, "default");
        let arn = "arn:aws:ecs:us-east-1:000000000000:task/default/abc";
        assert_eq!(task_key(&cluster, arn).unwrap().id, "abc");
        assert!(task_key(&cluster, &arn.replace("default", "other")).is_err());
        let arn = "arn:aws:ecs:us-east-1:000000000000:service/other/web";
        assert_eq!(service_key(&cluster, arn).cluster.name, "other");
    }
}
