//! Replication rules: what they may say, and what they are for.
//!
//! AWS docs: *Amazon S3 User Guide > Replicating objects within and across Regions*.

use std::collections::BTreeMap;

use haar_s3_contract::model::{
    DeleteMarkerReplicationStatus, OwnerOverride, ReplicationConfiguration, ReplicationRule,
    ReplicationRuleStatus, ReplicationStatus, ServerSideEncryption, SseKmsEncryptedObjectsStatus,
};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use super::archive::is_archive;
use crate::refusal;
use crate::store::Record;

/// Most rules of one configuration.
const RULE_COUNT_MAX: usize = 1000;
/// Longest id of a rule.
const ID_LEN_MAX: usize = 255;

/// How far the copies of a version have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copies {
    /// It is a copy itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_replica: bool,
    /// Buckets that it is still to be copied to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waiting: Vec<String>,
    /// One was given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) has_failed: bool,
}

impl Copies {
    /// Of a copy.
    pub(crate) fn replica() -> Self {
        Self { is_replica: true, ..Self::default() }
    }

    /// As `x-amz-replication-status` tells it.
    pub(crate) fn status(&self) -> ReplicationStatus {
        match (self.is_replica, self.waiting.is_empty(), self.has_failed) {
            (true, ..) => ReplicationStatus::Replica,
            (_, false, _) => ReplicationStatus::Pending,
            (_, true, true) => ReplicationStatus::Failed,
            (_, true, false) => ReplicationStatus::Completed,
        }
    }
}

/// The bucket that a rule copies to.
pub(crate) fn destination(rule: &ReplicationRule) -> &str {
    let arn = &rule.destination.bucket;
    arn.strip_prefix("arn:aws:s3:::").unwrap_or(arn)
}

/// Whether copies belong to the owner of the bucket that they come into.
pub(crate) fn gives_away(rule: &ReplicationRule) -> bool {
    let translation = rule.destination.access_control_translation.as_ref();
    translation.is_some_and(|translation| translation.owner == OwnerOverride::Destination)
}

/// The rules by which a version is copied, by their buckets: of those for one bucket the one with
/// the highest priority.
pub(crate) fn wanted<'a>(
    config: &'a ReplicationConfiguration,
    key: &str,
    record: &Record,
) -> BTreeMap<&'a str, &'a ReplicationRule> {
    let mut wanted: BTreeMap<&str, &ReplicationRule> = BTreeMap::new();
    for rule in config.rules.iter().filter(|rule| fits(rule, key, record)) {
        let chosen = wanted.entry(destination(rule)).or_insert(rule);
        if rule.priority.unwrap_or(0) > chosen.priority.unwrap_or(0) {
            *chosen = rule;
        }
    }
    wanted.retain(|_, rule| !record.is_marker || copies_markers(rule));
    wanted
}

fn fits(rule: &ReplicationRule, key: &str, record: &Record) -> bool {
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref());
    let prefixes = [
        rule.prefix.as_deref(),
        filter.and_then(|filter| filter.prefix.as_deref()),
        and.and_then(|and| and.prefix.as_deref()),
    ];
    let tags = filter.and_then(|filter| filter.tag.as_ref()).into_iter();
    let mut tags = tags.chain(and.and_then(|and| and.tags.as_ref()).into_iter().flatten());
    rule.status == ReplicationRuleStatus::Enabled
        && prefixes.into_iter().flatten().all(|prefix| key.starts_with(prefix))
        && tags.all(|tag| record.manner.tags.get(&tag.key) == Some(&tag.value))
        && !is_archive(record.manner.headers.storage_class)
        && (is_open(record) || takes_kms(rule))
}

/// Whether nothing of KMS's is needed to copy it.
fn is_open(record: &Record) -> bool {
    record.manner.encryption.algorithm == ServerSideEncryption::Aes256
}

fn takes_kms(rule: &ReplicationRule) -> bool {
    let criteria = rule.source_selection_criteria.as_ref();
    let kms = criteria.and_then(|criteria| criteria.sse_kms_encrypted_objects.as_ref());
    kms.is_some_and(|kms| kms.status == SseKmsEncryptedObjectsStatus::Enabled)
}

/// Rules of the first kind, which have no filter, always do.
fn copies_markers(rule: &ReplicationRule) -> bool {
    let status = rule.delete_marker_replication.as_ref().and_then(|markers| markers.status);
    rule.filter.is_none() || status == Some(DeleteMarkerReplicationStatus::Enabled)
}

/// Refuses a configuration that AWS refuses, as far as it can be seen by itself; rules without a
/// name get one.
pub(crate) fn check(
    config: &mut ReplicationConfiguration,
    source: &str,
    mint: impl Fn() -> String,
) -> Result<(), AwsError> {
    if config.rules.is_empty() || config.role.is_empty() {
        return Err(refusal::malformed_xml());
    }
    if config.rules.len() > RULE_COUNT_MAX {
        let text = "The number of replication rules must not exceed the allowed limit of 1000 \
                    rules.";
        return Err(refusal::invalid_request(text));
    }
    let (mut ids, mut priorities) = (Vec::new(), Vec::new());
    for rule in &mut config.rules {
        let id = rule.id.get_or_insert_with(&mint).clone();
        if id.len() > ID_LEN_MAX || ids.contains(&id) {
            let text = "Rule Id must be unique and no longer than 255 characters";
            return Err(AwsError::new("InvalidArgument", 400, text));
        }
        ids.push(id);
        // *Ours*: the words for two rules of one priority.
        if let Some(priority) = rule.priority {
            if priorities.contains(&priority) {
                let text = format!("Found duplicate priority {priority}. Priority must be unique.");
                return Err(refusal::invalid_request(text));
            }
            priorities.push(priority);
        }
        check_rule(rule, source)?;
    }
    Ok(())
}

fn check_rule(rule: &ReplicationRule, source: &str) -> Result<(), AwsError> {
    if rule.filter.is_some() && rule.prefix.is_some() {
        return Err(refusal::malformed_xml());
    }
    if !rule.destination.bucket.starts_with("arn:aws:s3:::") {
        return Err(refusal::invalid_argument(
            "Invalid bucket ARN",
            "Bucket",
            &rule.destination.bucket,
        ));
    }
    if destination(rule) == source {
        let text = "Destination bucket cannot be the same as the source bucket.";
        return Err(refusal::invalid_request(text));
    }
    if gives_away(rule) && rule.destination.account.is_none() {
        let text = "Account must be specified with the element AccessControlTranslation";
        return Err(refusal::invalid_request(text));
    }
    let Some(filter) = &rule.filter else { return Ok(()) };
    let Some(markers) = &rule.delete_marker_replication else {
        let text = "DeleteMarkerReplication must be specified for this version of Cross Region \
                    Replication configuration schema. Please refer to S3 Developer Guide for more \
                    information.";
        return Err(refusal::invalid_request(text));
    };
    let has_tags =
        filter.tag.is_some() || filter.and.as_ref().is_some_and(|and| and.tags.is_some());
    if has_tags && markers.status == Some(DeleteMarkerReplicationStatus::Enabled) {
        let text = "Delete marker replication is not supported if any Tag filter is specified. \
                    Please refer to S3 Developer Guide for more information.";
        return Err(refusal::invalid_request(text));
    }
    if rule.priority.is_none() {
        let text = "Priority must be specified for this version of Cross Region Replication \
                    configuration schema. Please refer to S3 Developer Guide for more information.";
        return Err(refusal::invalid_request(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use haar_s3_contract::model::{
        DeleteMarkerReplication, Destination, ReplicationRuleFilter, StorageClass, Tag,
    };

    use super::*;

    fn rule(to: &str, priority: i32, prefix: &str) -> ReplicationRule {
        ReplicationRule {
            id: Some(format!("{to} {priority}")),
            priority: Some(priority),
            filter: Some(ReplicationRuleFilter {
                prefix: Some(prefix.to_owned()),
                ..Default::default()
            }),
            destination: Destination { bucket: format!("arn:aws:s3:::{to}"), ..Default::default() },
            delete_marker_replication: Some(DeleteMarkerReplication::default()),
            ..Default::default()
        }
    }

    fn config(rules: Vec<ReplicationRule>) -> ReplicationConfiguration {
        ReplicationConfiguration { role: "arn:aws:iam::000000000000:role/r".to_owned(), rules }
    }

    fn enabled(mut rule: ReplicationRule) -> ReplicationRule {
        rule.status = ReplicationRuleStatus::Enabled;
        rule
    }

    #[test]
    fn each_bucket_has_the_rule_of_highest_priority_that_fits() {
        let rules = vec![
            enabled(rule("one", 1, "")),
            enabled(rule("one", 2, "a/")),
            enabled(rule("two", 3, "b/")),
        ];
        let config = config(rules);
        let ids = |key: &str| -> Vec<String> {
            let wanted = wanted(&config, key, &Record::default());
            wanted.values().map(|rule| rule.id.clone().unwrap()).collect()
        };
        assert_eq!(ids("a/x"), ["one 2"]);
        assert_eq!(ids("b/x"), ["one 1", "two 3"]);
    }

    #[test]
    fn markers_tags_and_archives_are_looked_at() {
        let mut tagged = enabled(rule("one", 1, ""));
        let tag = Tag { key: "a".to_owned(), value: "1".to_owned() };
        tagged.filter.as_mut().unwrap().tag = Some(tag);
        let config = config(vec![tagged]);
        let mut record = Record::default();
        assert!(wanted(&config, "k", &record).is_empty());
        record.manner.tags.insert("a".to_owned(), "1".to_owned());
        assert_eq!(wanted(&config, "k", &record).len(), 1);
        record.is_marker = true;
        assert!(wanted(&config, "k", &record).is_empty());
        record.is_marker = false;
        record.manner.headers.storage_class = Some(StorageClass::Glacier);
        assert!(wanted(&config, "k", &record).is_empty());
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        let check = |rules| {
            let checked = check(&mut config(rules), "source", || "id".to_owned());
            checked.map_err(|error| error.code().to_owned())
        };
        assert_eq!(check(vec![rule("one", 1, "")]), Ok(()));
        assert_eq!(check(vec![]), Err("MalformedXML".to_owned()));
        assert!(check(vec![rule("one", 1, ""), rule("two", 1, "")]).is_err());
        assert!(check(vec![rule("source", 1, "")]).is_err());
        assert!(check(vec![ReplicationRule { priority: None, ..rule("one", 1, "") }]).is_err());
        let markers = None;
        let rule = ReplicationRule { delete_marker_replication: markers, ..rule("one", 1, "") };
        assert_eq!(check(vec![rule]), Err("InvalidRequest".to_owned()));
    }
}
