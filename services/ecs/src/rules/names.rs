//! Names, and the ways to say them: short or as an ARN.

use haar_types::{AccountId, Arn, Partition, Region};
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

/// The cluster that is named, or the default one; an ARN may be of another account.
pub(crate) fn cluster_key(place: Place<'_>, named: Option<&str>) -> Result<ClusterKey, AwsError> {
    let named = named.filter(|named| !named.is_empty()).unwrap_or(DEFAULT_CLUSTER);
    Ok(match resource(place, named, "cluster")? {
        Some((account, name)) => ClusterKey::new(&account, place.region, &name),
        None => ClusterKey::new(place.account, place.region, named),
    })
}

/// A task by its id or ARN, within a cluster. Short ARNs have no cluster.
pub(crate) fn task_key(cluster: &ClusterKey, named: &str) -> Result<TaskKey, AwsError> {
    Ok(TaskKey::new(cluster, &within(cluster, named, "task")?))
}

/// A service by its name or ARN, within a cluster. Short ARNs have no cluster.
pub(crate) fn service_key(cluster: &ClusterKey, named: &str) -> Result<ServiceKey, AwsError> {
    Ok(ServiceKey::new(cluster, &within(cluster, named, "service")?))
}

/// The last part of what names a task or a service, which must be of the cluster.
fn within(cluster: &ClusterKey, named: &str, kind: &str) -> Result<String, AwsError> {
    let place = Place { account: &cluster.account, region: &cluster.region };
    let Some((account, path)) = resource(place, named, kind)? else { return Ok(named.to_owned()) };
    if account != cluster.account {
        return Err(invalid(format!("Invalid identifier: {named}")));
    }
    match path.split_once('/') {
        Some((other, _)) if other != cluster.name => Err(invalid(format!(
            "Invalid identifier: Identifier is for cluster {other}. Your cluster is {}",
            cluster.name
        ))),
        Some((_, last)) => Ok(last.to_owned()),
        None => Ok(path),
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
        let found = resource(place, named, "task-definition")?;
        let (account, path) = found.unwrap_or_else(|| (place.account.clone(), named.to_owned()));
        let (family, revision) = match path.split_once(':') {
            None => (path, None),
            Some((family, revision)) => {
                let number = revision.parse().ok().filter(|number| *number > 0);
                let text = format!("Invalid revision number. Number: {revision}");
                (family.to_owned(), Some(number.ok_or_else(|| invalid(text))?))
            }
        };
        Ok(Self { account, region: place.region.clone(), family, revision })
    }

    /// The key, where a revision is named.
    pub(crate) fn key(&self) -> Option<DefinitionKey> {
        let revision = self.revision?;
        Some(DefinitionKey::new(&self.account, &self.region, &self.family, revision))
    }
}

/// Account and path of an ECS ARN of a kind; `None` for what is no ARN.
///
/// # Errors
/// For an ARN of another partition, service, region or kind.
fn resource(
    place: Place<'_>,
    named: &str,
    kind: &str,
) -> Result<Option<(AccountId, String)>, AwsError> {
    if !named.starts_with("arn:") {
        return Ok(None);
    }
    let wrong = || invalid(format!("Invalid identifier: {named}"));
    let arn: Arn = named.parse().map_err(|_| wrong())?;
    if !Partition::holds(named) || arn.service() != "ecs" {
        return Err(wrong());
    }
    if arn.region() != place.region.as_str() {
        return Err(invalid("Invalid Region in ARN"));
    }
    let path = arn.resource().strip_prefix(kind).and_then(|path| path.strip_prefix('/'));
    let account = arn.account().parse().map_err(|_| wrong())?;
    Ok(Some((account, path.ok_or_else(wrong)?.to_owned())))
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
        let cluster = cluster_key(Place { account: &account, region: &region }, None).unwrap();
        assert_eq!(cluster.name, "default");
        let arn = "arn:aws:ecs:us-east-1:000000000000:task/default/abc";
        let task = TaskKey::new(&cluster, "abc");
        assert_eq!(task_key(&cluster, "abc"), Ok(task.clone()));
        assert_eq!(task_key(&cluster, arn), Ok(task.clone()));
        assert_eq!(task_key(&cluster, &arn.replace("default/", "")), Ok(task));
        let arn = arn.replace("task", "service");
        assert_eq!(service_key(&cluster, &arn), Ok(ServiceKey::new(&cluster, "abc")));
        let other = service_key(&cluster, &arn.replace("default", "other")).unwrap_err();
        let text = "Invalid identifier: Identifier is for cluster other. Your cluster is default";
        assert_eq!(other.message(), text);
    }

    #[test]
    fn arns_of_other_places_name_nothing_here() {
        let (account, region) = (AccountId::default(), Region::default());
        let place = Place { account: &account, region: &region };
        let cluster = cluster_key(place, None).unwrap();
        let elsewhere = "arn:aws:ecs:eu-west-1:000000000000:service/default/web";
        let refused = service_key(&cluster, elsewhere).unwrap_err();
        assert_eq!(refused.message(), "Invalid Region in ARN");
        for arn in [
            "arn:aws-cn:ecs:us-east-1:000000000000:service/default/web",
            "arn:aws:ec2:us-east-1:000000000000:service/default/web",
            "arn:aws:ecs:us-east-1:111111111111:service/default/web",
            "arn:aws:ecs:us-east-1:000000000000:task/default/web",
        ] {
            let refused = service_key(&cluster, arn).unwrap_err();
            assert_eq!(refused.message(), format!("Invalid identifier: {arn}"));
        }
        assert!(
            cluster_key(place, Some("arn:aws-cn:ecs:us-east-1:000000000000:cluster/c")).is_err()
        );
    }
}
