//! Lifecycle rules: what they may say, and what they ask for.
//!
//! AWS docs: *Amazon S3 User Guide > Lifecycle configuration elements*.

use std::time::Duration;

use haar_s3_contract::model::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleAndOperator,
};
use haar_types::{Tags, Timestamp};
use haar_wire::AwsError;

use super::transition;
use crate::refusal;

/// Most rules of one configuration.
const RULE_COUNT_MAX: usize = 1000;
const DAY: Duration = Duration::from_secs(24 * 3600);
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Refuses a configuration that AWS refuses; rules without a name get one.
pub(crate) fn check(
    config: &mut BucketLifecycleConfiguration,
    mint: impl Fn() -> String,
) -> Result<(), AwsError> {
    if config.rules.is_empty() || config.rules.len() > RULE_COUNT_MAX {
        return Err(refusal::malformed_xml());
    }
    let is_old = |rule: &LifecycleRule| rule.filter.is_none() && rule.prefix.is_some();
    if config.rules.iter().any(is_old) && !config.rules.iter().all(is_old) {
        let text = "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported \
                    in the Filter.";
        return Err(refusal::invalid_request(text));
    }
    let mut ids = std::collections::BTreeSet::new();
    for rule in &mut config.rules {
        let id = rule.id.get_or_insert_with(&mint);
        if id.is_empty() {
            *id = mint();
        }
        if id.len() > 255 {
            return Err(invalid("ID length should not exceed allowed limit of 255"));
        }
        if !ids.insert(id.clone()) {
            return Err(invalid(&format!(
                "Rule ID must be unique. Found same ID for more than one rule: {id}"
            )));
        }
        check_rule(rule)?;
        transition::check(rule)?;
    }
    Ok(())
}

fn check_rule(rule: &LifecycleRule) -> Result<(), AwsError> {
    if rule.prefix.is_some() && rule.filter.is_some()
        || rule.prefix.is_none() && rule.filter.is_none()
    {
        return Err(refusal::malformed_xml());
    }
    check_filter(rule)?;
    let acts = rule.expiration.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some()
        || rule.transitions.as_ref().is_some_and(|all| !all.is_empty())
        || rule.noncurrent_version_transitions.as_ref().is_some_and(|all| !all.is_empty());
    if !acts {
        let text = "At least one action needs to be specified in a rule";
        return Err(refusal::invalid_request(text));
    }
    if let Some(expiration) = &rule.expiration {
        let said = [
            expiration.date.is_some(),
            expiration.days.is_some(),
            expiration.expired_object_delete_marker.is_some(),
        ];
        if said.into_iter().filter(|said| *said).count() != 1 {
            return Err(refusal::malformed_xml());
        }
        if expiration.expired_object_delete_marker.is_some() && narrows(rule) {
            let text = "ExpiredObjectDeleteMarker cannot be specified with Tags.";
            return Err(refusal::invalid_request(text));
        }
        if expiration.days.is_some_and(|days| days <= 0) {
            let text = "'Days' for Expiration action must be a positive integer";
            return Err(invalid(text));
        }
        if expiration.date.is_some_and(|date| !is_midnight(date)) {
            return Err(invalid("'Date' must be at midnight GMT"));
        }
    }
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    if noncurrent.is_some_and(|it| it.noncurrent_days.is_none_or(|days| days <= 0)) {
        let text = "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive \
                    integer";
        return Err(invalid(text));
    }
    let abort = rule.abort_incomplete_multipart_upload.as_ref();
    if abort.is_some_and(|it| it.days_after_initiation.is_none_or(|days| days <= 0)) {
        let text = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a \
                    positive integer";
        return Err(invalid(text));
    }
    if abort.is_some() && narrows(rule) {
        let text = "AbortIncompleteMultipartUpload cannot be specified with Tags.";
        return Err(refusal::invalid_request(text));
    }
    Ok(())
}

/// A filter says one thing, or several within `And`. *Ours*: the text on sizes.
fn check_filter(rule: &LifecycleRule) -> Result<(), AwsError> {
    let Some(filter) = &rule.filter else { return Ok(()) };
    let said = [
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.object_size_greater_than.is_some(),
        filter.object_size_less_than.is_some(),
        filter.and.is_some(),
    ];
    if said.into_iter().filter(|said| *said).count() > 1 {
        return Err(refusal::malformed_xml());
    }
    let and = filter.and.as_ref();
    if and.is_some_and(|and| predicate_count(and) < 2) {
        return Err(refusal::malformed_xml());
    }
    let more = and.and_then(|and| and.object_size_greater_than);
    let less = and.and_then(|and| and.object_size_less_than);
    match more.zip(less).is_some_and(|(more, less)| more >= less) {
        true => {
            let text = "'ObjectSizeLessThan' has to be a value greater than \
                        'ObjectSizeGreaterThan'.";
            Err(refusal::invalid_request(text))
        }
        false => Ok(()),
    }
}

fn predicate_count(and: &LifecycleRuleAndOperator) -> usize {
    let sizes = [and.object_size_greater_than.is_some(), and.object_size_less_than.is_some()];
    let said = sizes.into_iter().chain([and.prefix.is_some()]).filter(|said| *said).count();
    said + and.tags.as_ref().map_or(0, Vec::len)
}

pub(super) fn is_midnight(date: Timestamp) -> bool {
    date.0.rem_euclid(DAY_MS) == 0
}

fn narrows(rule: &LifecycleRule) -> bool {
    let filter = rule.filter.as_ref();
    filter.is_some_and(|filter| {
        filter.tag.is_some() || filter.and.as_ref().is_some_and(|and| and.tags.is_some())
    })
}

pub(super) fn invalid(text: &str) -> AwsError {
    AwsError::new("InvalidArgument", 400, text)
}

/// What a rule looks at of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) key: &'a str,
    pub(crate) size: u64,
    pub(crate) tags: &'a Tags,
}

/// Whether a rule is in force.
pub(crate) fn is_enabled(rule: &LifecycleRule) -> bool {
    rule.status == ExpirationStatus::Enabled
}

/// The prefix that a rule is for.
pub(crate) fn prefix(rule: &LifecycleRule) -> &str {
    let filter = rule.filter.as_ref();
    let of_filter = filter.and_then(|filter| {
        let and = || filter.and.as_ref().and_then(|and| and.prefix.as_deref());
        filter.prefix.as_deref().or_else(and)
    });
    rule.prefix.as_deref().or(of_filter).unwrap_or_default()
}

/// Whether a rule is for an object.
pub(crate) fn fits(rule: &LifecycleRule, seen: Seen<'_>) -> bool {
    if !seen.key.starts_with(prefix(rule)) {
        return false;
    }
    let Some(filter) = &rule.filter else { return true };
    let all = LifecycleRuleAndOperator {
        tags: filter.tag.clone().map(|tag| vec![tag]),
        object_size_greater_than: filter.object_size_greater_than,
        object_size_less_than: filter.object_size_less_than,
        prefix: None,
    };
    [Some(&all), filter.and.as_ref()].into_iter().flatten().all(|and| {
        let size = i64::try_from(seen.size).unwrap_or(i64::MAX);
        and.object_size_greater_than.is_none_or(|least| size > least)
            && and.object_size_less_than.is_none_or(|most| size < most)
            && and.tags.iter().flatten().all(|tag| seen.tags.get(&tag.key) == Some(&tag.value))
    })
}

/// When something is due that is so many days after a time: at the midnight that follows.
pub(crate) fn due(after: Timestamp, days: i32) -> Timestamp {
    let at = after + DAY * u32::try_from(days).unwrap_or(0);
    Timestamp((at.0 + DAY_MS - 1).div_euclid(DAY_MS) * DAY_MS)
}

/// When a rule lets an object expire that was last written then.
pub(crate) fn expires_at(rule: &LifecycleRule, modified_at: Timestamp) -> Option<Timestamp> {
    let expiration = rule.expiration.as_ref()?;
    expiration.date.or_else(|| Some(due(modified_at, expiration.days?)))
}

/// When an upload is given up that began then, and by which rule.
pub(crate) fn abort(
    config: Option<&BucketLifecycleConfiguration>,
    key: &str,
    initiated_at: Timestamp,
) -> Option<(Timestamp, String)> {
    let rules = config?.rules.iter().filter(|rule| is_enabled(rule));
    let dated = rules.filter(|rule| key.starts_with(prefix(rule))).filter_map(|rule| {
        let days = rule.abort_incomplete_multipart_upload.as_ref()?.days_after_initiation?;
        Some((due(initiated_at, days), rule.id.clone().unwrap_or_default()))
    });
    dated.min_by_key(|(at, _)| *at)
}

/// `x-amz-expiration`: when the newest version of an object expires, and by which rule.
pub(crate) fn expiration_header(
    config: Option<&BucketLifecycleConfiguration>,
    seen: Seen<'_>,
    modified_at: Timestamp,
) -> Option<String> {
    let rules = config?.rules.iter().filter(|rule| is_enabled(rule) && fits(rule, seen));
    let (at, rule) = rules
        .filter_map(|rule| Some((expires_at(rule, modified_at)?, rule)))
        .min_by_key(|(at, _)| *at)?;
    let date = crate::render::http_date(at);
    let id = rule.id.as_deref().unwrap_or_default();
    Some(format!("expiry-date=\"{date}\", rule-id=\"{id}\""))
}

#[cfg(test)]
mod tests {
    use haar_s3_contract::model::{LifecycleExpiration, LifecycleRuleFilter, Tag};

    use super::*;

    fn rule() -> LifecycleRule {
        LifecycleRule {
            status: ExpirationStatus::Enabled,
            filter: Some(LifecycleRuleFilter {
                prefix: Some("logs/".to_owned()),
                ..Default::default()
            }),
            expiration: Some(LifecycleExpiration { days: Some(1), ..Default::default() }),
            ..Default::default()
        }
    }

    #[test]
    fn days_end_at_the_midnight_that_follows() {
        let midnight = Timestamp(20_000 * DAY_MS);
        assert_eq!(due(midnight, 1), midnight + DAY);
        assert_eq!(due(midnight + Duration::from_secs(1), 1), midnight + DAY * 2);
    }

    #[test]
    fn a_rule_is_for_what_its_whole_filter_fits() {
        let tags = Tags::from([("a".to_owned(), "1".to_owned())]);
        let seen = |key| Seen { key, size: 10, tags: &tags };
        assert!(fits(&rule(), seen("logs/x")) && !fits(&rule(), seen("x")));
        let mut tagged = rule();
        let tag = Tag { key: "a".to_owned(), value: "2".to_owned() };
        tagged.filter.as_mut().unwrap().tag = Some(tag);
        assert!(!fits(&tagged, seen("logs/x")));
        let mut large = rule();
        large.filter.as_mut().unwrap().object_size_greater_than = Some(10);
        assert!(!fits(&large, seen("logs/x")));
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        let check = |rules: Vec<LifecycleRule>| {
            check(&mut BucketLifecycleConfiguration { rules }, || "id".to_owned())
        };
        assert!(check(vec![rule()]).is_ok());
        assert_eq!(check(vec![rule(), rule()]).unwrap_err().code(), "InvalidArgument");
        assert_eq!(check(Vec::new()).unwrap_err().code(), "MalformedXML");
        let idle = LifecycleRule { expiration: None, ..rule() };
        assert_eq!(check(vec![idle]).unwrap_err().code(), "InvalidRequest");
        let mut never = rule();
        never.expiration.as_mut().unwrap().days = Some(0);
        assert_eq!(check(vec![never]).unwrap_err().code(), "InvalidArgument");
    }

    #[test]
    fn the_header_names_the_earliest_rule() {
        let mut config = BucketLifecycleConfiguration { rules: vec![rule(), rule()] };
        config.rules[0].id = Some("one".to_owned());
        config.rules[1].expiration.as_mut().unwrap().days = Some(9);
        let tags = Tags::new();
        let seen = Seen { key: "logs/x", size: 1, tags: &tags };
        let header = expiration_header(Some(&config), seen, Timestamp(0)).unwrap();
        assert_eq!(header, "expiry-date=\"Fri, 02 Jan 1970 00:00:00 GMT\", rule-id=\"one\"");
    }
}
