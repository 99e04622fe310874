//! Carries executions: one attempt each time, then what its outcome asks for.

use std::sync::Weak;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_courier::{Carrier, Parcel, Retries, Verdict};

use super::Execution;
use crate::Scheduler;

/// The courier's carrier.
pub(crate) struct Porter(pub(crate) Weak<Scheduler>);

impl Carrier for Porter {
    fn carry<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Verdict> {
        async move {
            // Without its room the courier ends too: the parcel stays.
            let Some(room) = self.0.upgrade() else {
                return Verdict::Retry(std::time::Duration::from_secs(1));
            };
            match serde_json::from_slice::<Execution>(&parcel.payload) {
                Ok(execution) => carry(&room, parcel, &execution).await,
                Err(error) => {
                    tracing::error!(%error, "an execution cannot be read; it is dropped");
                    Verdict::Done
                }
            }
        }
        .boxed()
    }
}

async fn carry(room: &Scheduler, parcel: &Parcel, execution: &Execution) -> Verdict {
    room.measure.attempted(&execution.schedule);
    let Err(failure) = room.attempt(execution, parcel.failed_count + 1).await else {
        room.measure.bill(&execution.schedule);
        return Verdict::Done;
    };
    room.measure.failed(&execution.schedule, &failure);
    let policy = execution.target.retry_policy.clone().unwrap_or_default();
    let retries = Retries::of(policy.maximum_retry_attempts, policy.maximum_event_age_in_seconds);
    let now = room.doors.clock.now();
    let limit = match failure.is_transient {
        false => None,
        true => match retries.wait(parcel, now, &room.doors.ids) {
            Ok(wait) => return Verdict::Retry(wait),
            Err(limit) => Some(limit),
        },
    };
    tracing::debug!(?failure, target = execution.target.arn, "an execution is given up");
    room.bury(execution, &failure, limit, parcel.failed_count).await;
    Verdict::Done
}
