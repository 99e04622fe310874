//! Carries deliveries: one attempt each time, then what its outcome asks for.

use std::sync::{OnceLock, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_clock::IdSource;
use haar_courier::{Carrier, Parcel, Verdict, back_off};
use haar_events_contract::model::RetryPolicy;
use haar_types::Timestamp;

use super::Delivery;
use super::failure::Failure;
use crate::Events;

/// The wait after the first failure; each further one is twice as long. *Ours*: AWS says
/// exponential, with jitter.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// The longest wait. *Ours*: 185 attempts fit into a day.
const BACK_OFF_LONGEST: Duration = Duration::from_secs(600);
/// Attempts after the first where a target says nothing.
const RETRIES_USUAL: i32 = 185;
/// Age at which an event is given up where a target says nothing.
const AGE_USUAL: i32 = 86_400;

/// The courier's carrier.
#[derive(Default)]
pub(crate) struct Porter {
    pub(crate) room: OnceLock<Weak<Events>>,
}

/// What becomes of a delivery after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Again(Duration),
    /// Given up; the retry limit that was reached, if one was.
    Over(Option<&'static str>),
}

impl Carrier for Porter {
    fn carry<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Verdict> {
        async move {
            let Some(room) = self.room.get().and_then(Weak::upgrade) else {
                return Verdict::Retry(BACK_OFF_FIRST);
            };
            match serde_json::from_slice::<Delivery>(&parcel.payload) {
                Ok(delivery) => carry(&room, parcel, &delivery).await,
                Err(error) => {
                    tracing::error!(%error, "a delivery cannot be read; it is dropped");
                    Verdict::Done
                }
            }
        }
        .boxed()
    }
}

async fn carry(room: &Events, parcel: &Parcel, delivery: &Delivery) -> Verdict {
    let now = room.doors.clock.now();
    room.measure.invoked(&delivery.rule, now, parcel.failed_count > 0);
    let Err(failure) = room.attempt(delivery).await else { return Verdict::Done };
    let policy = delivery.target.retry_policy.clone().unwrap_or_default();
    let now = room.doors.clock.now();
    match fate(&failure, &policy, parcel, now, &room.doors.ids) {
        Fate::Again(wait) => Verdict::Retry(wait),
        Fate::Over(limit) => {
            tracing::debug!(?failure, target = delivery.target.arn, "an event is given up");
            room.measure.failed(&delivery.rule, now);
            room.bury(delivery, &failure, limit, parcel.failed_count).await;
            Verdict::Done
        }
    }
}

fn fate(
    failure: &Failure,
    policy: &RetryPolicy,
    parcel: &Parcel,
    now: Timestamp,
    ids: &IdSource,
) -> Fate {
    if !failure.is_transient {
        return Fate::Over(None);
    }
    let retries = policy.maximum_retry_attempts.unwrap_or(RETRIES_USUAL);
    if i64::from(parcel.failed_count) >= i64::from(retries) {
        return Fate::Over(Some("MaximumRetryAttempts"));
    }
    let full = back_off(BACK_OFF_FIRST, BACK_OFF_LONGEST, parcel.failed_count);
    // Between half of the wait and all of it, so that many do not come back at once.
    let wait = full.mul_f64(0.5 + (ids.draw() % 1_000) as f64 / 2_000.0);
    let age_max = policy.maximum_event_age_in_seconds.unwrap_or(AGE_USUAL);
    let age_max = Duration::from_secs(u64::try_from(age_max).unwrap_or(0));
    if (now + wait).since(parcel.sent_at) > age_max {
        return Fate::Over(Some("MaximumEventAgeInSeconds"));
    }
    Fate::Again(wait)
}

#[cfg(test)]
mod tests {
    use haar_courier::Lane;

    use super::*;

    fn parcel(failed_count: u32) -> Parcel {
        let (sent_at, lane) = (Timestamp(0), Lane::Shared(String::new()));
        Parcel {
            number: 1,
            lane,
            payload: Default::default(),
            sent_at,
            due_at: sent_at,
            failed_count,
        }
    }

    #[test]
    fn a_delivery_is_retried_until_its_attempts_or_its_age_are_used_up() {
        let ids = IdSource::seeded(1);
        let policy =
            RetryPolicy { maximum_retry_attempts: Some(2), maximum_event_age_in_seconds: Some(60) };
        let passing = Failure::passing("INTERNAL_ERROR", "");
        let judge = |failed, now| fate(&passing, &policy, &parcel(failed), Timestamp(now), &ids);
        assert!(matches!(judge(0, 0), Fate::Again(wait) if wait <= Duration::from_secs(1)));
        assert!(matches!(judge(1, 5_000), Fate::Again(wait) if wait >= Duration::from_secs(1)));
        assert_eq!(judge(2, 5_000), Fate::Over(Some("MaximumRetryAttempts")));
        assert_eq!(judge(1, 59_500), Fate::Over(Some("MaximumEventAgeInSeconds")));
        let lasting = Failure::lasting("NO_RESOURCE", "");
        assert_eq!(fate(&lasting, &policy, &parcel(0), Timestamp(0), &ids), Fate::Over(None));
    }
}
