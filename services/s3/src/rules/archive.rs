//! Objects that are archived, and copies of them that are restored for a while.
//!
//! AWS docs: *Amazon S3 User Guide > Working with archived objects*.

use std::time::Duration;

use haar_s3_contract::model::{StorageClass, Tier};
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use super::lifecycle::due;
use crate::refusal;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A restoration that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restore {
    pub(crate) tier: Tier,
    pub(crate) days: i32,
    /// From when on the copy is there.
    pub(crate) ready_at: Timestamp,
    /// When it goes.
    pub(crate) expires_at: Timestamp,
}

/// What became of a request to restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is under way from now on, or faster.
    Begun(Restore),
    /// The copy was there, and stays for another while.
    Prolonged(Restore),
}

impl Restore {
    /// Whether the copy is not there yet.
    pub(crate) fn is_ongoing(&self, now: Timestamp) -> bool {
        now < self.ready_at
    }

    /// Whether the copy can be read.
    pub(crate) fn is_there(&self, now: Timestamp) -> bool {
        (self.ready_at..self.expires_at).contains(&now)
    }

    /// `x-amz-restore`.
    pub(crate) fn shown(&self, now: Timestamp) -> Option<String> {
        if self.is_ongoing(now) {
            return Some("ongoing-request=\"true\"".to_owned());
        }
        let date = crate::render::http_date(self.expires_at);
        let shown = format!("ongoing-request=\"false\", expiry-date=\"{date}\"");
        self.is_there(now).then_some(shown)
    }
}

/// Whether objects of a class are read only after they were restored.
pub(crate) fn is_archive(class: Option<StorageClass>) -> bool {
    matches!(class, Some(StorageClass::Glacier | StorageClass::DeepArchive))
}

/// How long a restoration takes: the shortest time that AWS names for it.
fn takes(class: StorageClass, tier: Tier) -> Result<Duration, AwsError> {
    Ok(match (class, tier) {
        (StorageClass::DeepArchive, Tier::Standard) => HOUR * 12,
        (StorageClass::DeepArchive, Tier::Bulk) => HOUR * 48,
        (StorageClass::DeepArchive, Tier::Expedited) => {
            let text = "Retrieval option is not supported by this storage class";
            return Err(AwsError::new("InvalidArgument", 400, text));
        }
        (_, Tier::Expedited) => MINUTE,
        (_, Tier::Standard) => HOUR * 3,
        (_, Tier::Bulk) => HOUR * 5,
    })
}

/// What a request to restore for so many days comes to.
pub(crate) fn ask(
    class: Option<StorageClass>,
    before: Option<Restore>,
    (tier, days): (Tier, i32),
    (now, wait_divisor): (Timestamp, u32),
) -> Result<Asked, AwsError> {
    let Some(class) = class.filter(|class| is_archive(Some(*class))) else {
        let text = "Restore is not allowed for the object's current storage class";
        let class = class.unwrap_or(StorageClass::Standard);
        return Err(invalid_state(text, class));
    };
    if days < 1 {
        let text = "restoration days should be at least 1";
        return Err(refusal::invalid_argument(text, "Days", &days.to_string()));
    }
    let ready_at = now + takes(class, tier)? / wait_divisor.max(1);
    match before {
        Some(before) if before.is_there(now) => {
            Ok(Asked::Prolonged(Restore { days, expires_at: due(now, days), ..before }))
        }
        // A faster tier takes over from a slower one; for how long stays as it was.
        Some(before)
            if before.is_ongoing(now) && ready_at < before.ready_at && tier != before.tier =>
        {
            let expires_at = due(ready_at, before.days);
            Ok(Asked::Begun(Restore { tier, days: before.days, ready_at, expires_at }))
        }
        Some(before) if before.is_ongoing(now) => {
            let text = "Object restore is already in progress";
            Err(AwsError::new("RestoreAlreadyInProgress", 409, text))
        }
        _ => Ok(Asked::Begun(Restore { tier, days, ready_at, expires_at: due(ready_at, days) })),
    }
}

/// Refuses to read what is archived and not restored.
pub(crate) fn refuse_archived(
    class: Option<StorageClass>,
    restore: Option<Restore>,
    now: Timestamp,
) -> Result<(), AwsError> {
    match class.filter(|class| is_archive(Some(*class))) {
        Some(class) if restore.is_none_or(|restore| !restore.is_there(now)) => {
            let text = "The operation is not valid for the object's storage class";
            Err(invalid_state(text, class))
        }
        _ => Ok(()),
    }
}

/// What a copier hears of such a source.
pub(crate) fn not_active() -> AwsError {
    let text = "The source object of the COPY operation is not in the active tier and is only \
                stored in Amazon Glacier.";
    AwsError::new("ObjectNotInActiveTierError", 403, text)
}

fn invalid_state(text: &str, class: StorageClass) -> AwsError {
    AwsError::new("InvalidObjectState", 403, text).element("StorageClass", class.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLACIER: Option<StorageClass> = Some(StorageClass::Glacier);

    fn begun(asked: Result<Asked, AwsError>) -> Restore {
        match asked.unwrap() {
            Asked::Begun(restore) => restore,
            Asked::Prolonged(restore) => panic!("{restore:?} was there"),
        }
    }

    #[test]
    fn a_copy_is_there_from_its_tiers_time_until_a_midnight() {
        let noon = Timestamp(0) + HOUR * 12;
        let restore = begun(ask(GLACIER, None, (Tier::Standard, 2), (noon, 1)));
        assert!(restore.is_ongoing(noon + HOUR * 2) && !restore.is_there(noon + HOUR * 2));
        assert!(restore.is_there(noon + HOUR * 3));
        let shown = restore.shown(noon + HOUR * 3).unwrap();
        let date = "expiry-date=\"Sun, 04 Jan 1970 00:00:00 GMT\"";
        assert_eq!(shown, format!("ongoing-request=\"false\", {date}"));
        assert_eq!(restore.shown(Timestamp(0) + HOUR * 72), None);
        assert!(refuse_archived(GLACIER, Some(restore), Timestamp(0) + HOUR * 72).is_err());
    }

    #[test]
    fn a_second_request_is_refused_unless_it_is_faster_or_prolongs() {
        let now = Timestamp(0) + HOUR;
        let ask = |before, tier, at| ask(GLACIER, before, (tier, 1), (at, 1));
        let bulk = begun(ask(None, Tier::Bulk, now));
        assert_eq!(ask(Some(bulk), Tier::Bulk, now).unwrap_err().status(), 409);
        let faster = begun(ask(Some(bulk), Tier::Expedited, now));
        assert_eq!(faster.ready_at, now + MINUTE);
        let later = now + HOUR * 30;
        assert!(matches!(ask(Some(faster), Tier::Bulk, now + HOUR), Ok(Asked::Prolonged(_))));
        assert!(matches!(ask(Some(faster), Tier::Bulk, later + HOUR * 24), Ok(Asked::Begun(_))));
    }

    #[test]
    fn what_cannot_be_restored_is_refused() {
        let now = (Timestamp(0), 1);
        let code =
            |class, tier, days| ask(class, None, (tier, days), now).unwrap_err().code().to_owned();
        assert_eq!(code(None, Tier::Bulk, 1), "InvalidObjectState");
        assert_eq!(code(GLACIER, Tier::Bulk, 0), "InvalidArgument");
        assert_eq!(code(Some(StorageClass::DeepArchive), Tier::Expedited, 1), "InvalidArgument");
    }
}
