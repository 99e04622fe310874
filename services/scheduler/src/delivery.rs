//! One execution of a schedule on its way to its target.

mod attempt;
mod dead_letter;

use haar_courier::{Errand, GivenUp, Outcome, Parcel, Retries, Verdict};
use haar_scheduler_contract::model::Target;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use attempt::SERVICE_PRINCIPAL;

use crate::Scheduler;
use crate::state::ScheduleKey;

/// What a schedule asks for at one instant; the target as it was then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Execution {
    pub(crate) schedule: ScheduleKey,
    pub(crate) target: Target,
    pub(crate) scheduled_at: Timestamp,
    pub(crate) id: String,
    /// Set where only the dead letter is still to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) given_up: Option<GivenUp>,
}

impl Errand for Execution {
    type Room = Scheduler;

    async fn run(self, room: &Scheduler, parcel: &Parcel) -> Verdict {
        if let Some(given_up) = &self.given_up {
            return room.bury(&self, given_up, parcel).await;
        }
        room.measure.attempted(&self.schedule);
        let Err(failure) = room.attempt(&self, parcel.failed_count + 1).await else {
            room.measure.bill(&self.schedule);
            return Verdict::Done;
        };
        room.measure.failed(&self.schedule, &failure);
        let policy = self.target.retry_policy.clone().unwrap_or_default();
        let retries =
            Retries::of(policy.maximum_retry_attempts, policy.maximum_event_age_in_seconds);
        let now = room.doors.clock.now();
        match retries.after(parcel, failure.is_transient, now, &room.doors.ids) {
            Outcome::Again(wait) => Verdict::Retry(wait),
            Outcome::GivenUp(limit) => {
                tracing::debug!(?failure, target = self.target.arn, "an execution is given up");
                let (code, message) = (failure.code, failure.message);
                let retry_count = parcel.failed_count;
                let given_up = GivenUp { code, message, limit, retry_count, at: Some(now) };
                room.bury(&self, &given_up, parcel).await
            }
        }
    }
}
