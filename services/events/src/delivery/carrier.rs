//! Carries deliveries: one attempt each time, then what its outcome asks for.

use std::sync::{OnceLock, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_courier::{Carrier, Parcel, Retries, Verdict};

use super::Delivery;
use crate::Events;

/// The wait until the room is there.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// The courier's carrier.
#[derive(Default)]
pub(crate) struct Porter {
    pub(crate) room: OnceLock<Weak<Events>>,
}

impl Carrier for Porter {
    fn carry<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Verdict> {
        async move {
            let Some(room) = self.room.get().and_then(Weak::upgrade) else {
                return Verdict::Retry(ROOM_WAIT);
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
    let retries = Retries::of(policy.maximum_retry_attempts, policy.maximum_event_age_in_seconds);
    let now = room.doors.clock.now();
    let limit = match failure.is_transient {
        false => None,
        true => match retries.wait(parcel, now, &room.doors.ids) {
            Ok(wait) => return Verdict::Retry(wait),
            Err(limit) => Some(limit),
        },
    };
    tracing::debug!(?failure, target = delivery.target.arn, "an event is given up");
    room.measure.failed(&delivery.rule, now);
    room.bury(delivery, &failure, limit, parcel.failed_count).await;
    Verdict::Done
}
