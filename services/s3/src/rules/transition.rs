//! Moves to other storage classes: what rules may ask for, and which of them come about.
//!
//! AWS docs: *Amazon S3 User Guide > Transitioning objects using Amazon S3 Lifecycle*.

use std::collections::BTreeSet;

use haar_s3_contract::model::{
    LifecycleRule, StorageClass, TransitionDefaultMinimumObjectSize, TransitionStorageClass,
};
use haar_wire::AwsError;

use super::lifecycle::{invalid, is_midnight, prefix};
use crate::refusal;

/// Smaller objects stay where they are, unless their rule says of which size they are.
const SIZE_MIN: u64 = 128 << 10;
/// Days before an object may move to a class for what is read seldom.
const SELDOM_DAYS_MIN: i32 = 30;
/// Most versions that a rule may leave out.
const NEWER_MAX: i32 = 100;

/// Refuses transitions that AWS refuses.
pub(crate) fn check(rule: &LifecycleRule) -> Result<(), AwsError> {
    let filter = format!("(prefix={})", prefix(rule));
    let moves = rule.transitions.as_deref().unwrap_or_default();
    let mut classes = BTreeSet::new();
    for one in moves {
        let class = one.storage_class.ok_or_else(refusal::malformed_xml)?;
        refuse_twice(&mut classes, class, "Transition", &filter)?;
        match (one.days, one.date) {
            (Some(days), None) => refuse_early(days, class, ("Days", "Transition"))?,
            (None, Some(date)) if is_midnight(date) => {}
            (None, Some(_)) => return Err(invalid("'Date' must be at midnight GMT")),
            _ => return Err(refusal::malformed_xml()),
        }
    }
    let days = moves.iter().filter_map(|one| one.storage_class.zip(one.days));
    refuse_disorder(days.collect(), ("Days", "Transition"), &filter)?;
    let dates = moves.iter().filter_map(|one| one.storage_class.zip(one.date));
    refuse_disorder(dates.collect(), ("Date", "Transition"), &filter)?;
    let expiration = rule.expiration.as_ref();
    let (ends, end_date) = expiration.map_or((None, None), |end| (end.days, end.date));
    let by_day = ends.is_some() || moves.iter().any(|one| one.days.is_some());
    let by_date = end_date.is_some() || moves.iter().any(|one| one.date.is_some());
    if by_day && by_date {
        return Err(invalid(&format!(
            "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle \
             rule for filter '{filter}'"
        )));
    }
    if ends.is_some_and(|ends| moves.iter().any(|one| one.days.is_some_and(|days| days >= ends))) {
        return Err(invalid(&format!(
            "'Days' in the Expiration action for filter '{filter}' must be greater than 'Days' in \
             the Transition action"
        )));
    }
    check_older(rule, &filter)
}

/// The same for versions that are not the newest.
fn check_older(rule: &LifecycleRule, filter: &str) -> Result<(), AwsError> {
    let moves = rule.noncurrent_version_transitions.as_deref().unwrap_or_default();
    let end = rule.noncurrent_version_expiration.as_ref();
    let mut classes = BTreeSet::new();
    for one in moves {
        let class = one.storage_class.ok_or_else(refusal::malformed_xml)?;
        refuse_twice(&mut classes, class, "NoncurrentVersionTransition", filter)?;
        let days = one.noncurrent_days.ok_or_else(refusal::malformed_xml)?;
        refuse_early(days, class, ("NoncurrentDays", "NoncurrentVersionTransition"))?;
        if end.and_then(|end| end.noncurrent_days).is_some_and(|ends| days >= ends) {
            return Err(invalid(&format!(
                "'NoncurrentDays' in the NoncurrentVersionExpiration action for filter '{filter}' \
                 must be greater than 'NoncurrentDays' in the NoncurrentVersionTransition action"
            )));
        }
    }
    let days = moves.iter().filter_map(|one| one.storage_class.zip(one.noncurrent_days));
    refuse_disorder(days.collect(), ("NoncurrentDays", "NoncurrentVersionTransition"), filter)?;
    let newer = moves.iter().map(|one| one.newer_noncurrent_versions);
    let newer = newer.chain(end.map(|end| end.newer_noncurrent_versions)).flatten();
    match newer.into_iter().all(|count| (1..=NEWER_MAX).contains(&count)) {
        true => Ok(()),
        false => Err(invalid("'NewerNoncurrentVersions' must be an integer between 1 and 100")),
    }
}

/// A colder class comes later.
fn refuse_disorder<T: Ord + Copy>(
    mut moves: Vec<(TransitionStorageClass, T)>,
    (member, action): (&str, &str),
    filter: &str,
) -> Result<(), AwsError> {
    let cold = |class: TransitionStorageClass| {
        class.as_str().parse::<StorageClass>().ok().and_then(coldness)
    };
    moves.sort_by_key(|(class, _)| cold(*class));
    let early = moves.windows(2).find_map(|pair| match pair {
        [(warmer, first), (colder, then)] if then <= first => Some((warmer, colder)),
        _ => None,
    });
    match early {
        None => Ok(()),
        Some((warmer, colder)) => Err(invalid(&format!(
            "'{member}' in the {action} action for StorageClass '{colder}' for filter '{filter}' \
             must be greater than '{member}' in the {action} action for StorageClass '{warmer}' \
             for filter '{filter}'"
        ))),
    }
}

fn refuse_twice(
    seen: &mut BTreeSet<TransitionStorageClass>,
    class: TransitionStorageClass,
    action: &str,
    filter: &str,
) -> Result<(), AwsError> {
    match seen.insert(class) {
        true => Ok(()),
        false => Err(invalid(&format!(
            "'StorageClass' must be different for '{action}' actions in same 'Rule' with filter \
             '{filter}'"
        ))),
    }
}

fn refuse_early(
    days: i32,
    class: TransitionStorageClass,
    (member, action): (&str, &str),
) -> Result<(), AwsError> {
    use TransitionStorageClass::{OnezoneIa, StandardIa};
    let least = if matches!(class, StandardIa | OnezoneIa) { SELDOM_DAYS_MIN } else { 0 };
    if days < 0 {
        return Err(invalid(&format!("'{member}' in {action} action must be nonnegative")));
    }
    match days < least {
        true => Err(invalid(&format!(
            "'{member}' in {action} action must be greater than or equal to {least} for \
             storageClass '{class}'"
        ))),
        false => Ok(()),
    }
}

/// Whether a rule moves objects of that size to that class.
pub(crate) fn moves_size(
    rule: &LifecycleRule,
    class: StorageClass,
    size: u64,
    usual: TransitionDefaultMinimumObjectSize,
) -> bool {
    let filter = rule.filter.as_ref();
    let says_size = filter.is_some_and(|filter| {
        let and = filter.and.as_ref();
        filter.object_size_greater_than.is_some()
            || filter.object_size_less_than.is_some()
            || and.is_some_and(|and| {
                and.object_size_greater_than.is_some() || and.object_size_less_than.is_some()
            })
    });
    let is_archive = matches!(class, StorageClass::Glacier | StorageClass::DeepArchive);
    let varies = usual == TransitionDefaultMinimumObjectSize::VariesByStorageClass;
    size >= SIZE_MIN || says_size || (varies && is_archive)
}

/// How cold a class is; `None` for those that no rule moves objects from or to.
fn coldness(class: StorageClass) -> Option<u8> {
    Some(match class {
        StorageClass::Standard | StorageClass::ReducedRedundancy => 0,
        StorageClass::StandardIa => 1,
        StorageClass::IntelligentTiering => 2,
        StorageClass::OnezoneIa => 3,
        StorageClass::GlacierIr => 4,
        StorageClass::Glacier => 5,
        StorageClass::DeepArchive => 6,
        _ => return None,
    })
}

/// Whether objects of general purpose buckets may have a class.
pub(crate) fn is_of_buckets(class: StorageClass) -> bool {
    coldness(class).is_some()
}

/// Of the classes that an object of a class is due for: the coldest that it may move to.
pub(crate) fn chosen(
    now: Option<StorageClass>,
    due: impl Iterator<Item = StorageClass>,
) -> Option<StorageClass> {
    let now = now.unwrap_or(StorageClass::Standard);
    let may_move = |class: &StorageClass| {
        let is_kept = now == StorageClass::OnezoneIa && *class == StorageClass::GlacierIr;
        !is_kept && coldness(now) < coldness(*class)
    };
    due.filter(|_| coldness(now).is_some()).filter(may_move).max_by_key(|class| coldness(*class))
}

#[cfg(test)]
mod tests {
    use haar_s3_contract::model::{
        ExpirationStatus, LifecycleExpiration, LifecycleRuleFilter, NoncurrentVersionExpiration,
        NoncurrentVersionTransition, Transition,
    };
    use haar_types::Timestamp;

    use super::*;

    fn to(class: TransitionStorageClass, days: i32) -> Transition {
        Transition { days: Some(days), storage_class: Some(class), date: None }
    }

    fn rule(transitions: Vec<Transition>) -> LifecycleRule {
        LifecycleRule {
            status: ExpirationStatus::Enabled,
            filter: Some(LifecycleRuleFilter::default()),
            transitions: Some(transitions),
            ..Default::default()
        }
    }

    fn refusal(rule: &LifecycleRule) -> String {
        check(rule).unwrap_err().message().to_owned()
    }

    #[test]
    fn what_aws_refuses_of_transitions_is_refused_in_its_words() {
        use TransitionStorageClass::{Glacier, StandardIa};
        assert!(check(&rule(vec![to(StandardIa, 30), to(Glacier, 60)])).is_ok());
        let early = "'Days' in Transition action must be greater than or equal to 30 for \
                     storageClass 'STANDARD_IA'";
        assert_eq!(refusal(&rule(vec![to(StandardIa, 29)])), early);
        let twice = "'StorageClass' must be different for 'Transition' actions in same 'Rule' \
                     with filter '(prefix=)'";
        assert_eq!(refusal(&rule(vec![to(Glacier, 1), to(Glacier, 2)])), twice);
        let expiration = Some(LifecycleExpiration { days: Some(5), ..Default::default() });
        let late = LifecycleRule { expiration, ..rule(vec![to(Glacier, 5)]) };
        let text = "'Days' in the Expiration action for filter '(prefix=)' must be greater than \
                    'Days' in the Transition action";
        assert_eq!(refusal(&late), text);
        let early = "'Days' in the Transition action for StorageClass 'GLACIER' for filter \
                     '(prefix=)' must be greater than 'Days' in the Transition action for \
                     StorageClass 'STANDARD_IA' for filter '(prefix=)'";
        assert_eq!(refusal(&rule(vec![to(Glacier, 30), to(StandardIa, 30)])), early);
        let dated = Transition { date: Some(Timestamp(1)), days: None, ..to(Glacier, 0) };
        assert_eq!(refusal(&rule(vec![dated])), "'Date' must be at midnight GMT");
        let both = Transition { date: Some(Timestamp(0)), ..to(Glacier, 0) };
        assert_eq!(check(&rule(vec![both])).unwrap_err().code(), "MalformedXML");
    }

    #[test]
    fn older_versions_move_before_they_go_and_some_may_be_left_out() {
        let older = |days, newer, ends| LifecycleRule {
            noncurrent_version_transitions: Some(vec![NoncurrentVersionTransition {
                noncurrent_days: Some(days),
                storage_class: Some(TransitionStorageClass::Glacier),
                newer_noncurrent_versions: newer,
            }]),
            noncurrent_version_expiration: Some(NoncurrentVersionExpiration {
                noncurrent_days: Some(ends),
                newer_noncurrent_versions: None,
            }),
            ..rule(Vec::new())
        };
        assert!(check(&older(1, Some(100), 2)).is_ok());
        assert!(refusal(&older(2, None, 2)).contains("must be greater than 'NoncurrentDays'"));
        assert!(refusal(&older(1, Some(101), 2)).contains("NewerNoncurrentVersions"));
    }

    #[test]
    fn small_objects_stay_unless_their_rule_says_their_size() {
        use TransitionDefaultMinimumObjectSize::{AllStorageClasses128k, VariesByStorageClass};
        let plain = rule(Vec::new());
        let mut sized = plain.clone();
        sized.filter.as_mut().unwrap().object_size_greater_than = Some(1);
        let (ia, glacier) = (StorageClass::StandardIa, StorageClass::Glacier);
        assert!(moves_size(&plain, ia, SIZE_MIN, AllStorageClasses128k));
        assert!(!moves_size(&plain, glacier, SIZE_MIN - 1, AllStorageClasses128k));
        assert!(moves_size(&plain, glacier, 2, VariesByStorageClass));
        assert!(!moves_size(&plain, ia, 2, VariesByStorageClass));
        assert!(moves_size(&sized, ia, 2, AllStorageClasses128k));
    }

    #[test]
    fn objects_move_down_to_the_coldest_class_that_is_due_and_never_up() {
        use StorageClass::{DeepArchive, Glacier, GlacierIr, OnezoneIa, Standard, StandardIa};
        let chosen = |now, due: &[StorageClass]| chosen(now, due.iter().copied());
        assert_eq!(chosen(None, &[StandardIa, Glacier, GlacierIr]), Some(Glacier));
        assert_eq!(chosen(Some(Standard), &[StandardIa]), Some(StandardIa));
        assert_eq!(chosen(Some(DeepArchive), &[Glacier, DeepArchive]), None);
        assert_eq!(chosen(Some(OnezoneIa), &[GlacierIr]), None);
        assert_eq!(chosen(Some(StorageClass::Snow), &[Glacier]), None);
    }
}
