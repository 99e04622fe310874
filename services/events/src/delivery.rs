//! A delivery on its way to a target: attempts, retries, dead letters.

mod attempt;
mod call;
mod dead_letter;
mod destinations;
mod failure;
mod http;
mod prompt;
mod sender;

use std::sync::Arc;

use haar_courier::{Errand, GivenUp, Outcome, Parcel, Retries, Verdict};
use haar_events_contract::model::Target;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use failure::Failure;

pub(crate) use destinations::Destinations;
pub(crate) use http::Http;
pub(crate) use prompt::is_prompt;
pub(crate) use sender::SERVICE_PRINCIPAL;

use crate::Events;
use crate::state::RuleKey;

/// What one rule sends to one of its targets because of one event. Rule and target are as they
/// were when the event came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) rule: RuleKey,
    pub(crate) target: Target,
    /// The role of the target, else of the rule.
    pub(crate) role_arn: Option<String>,
    pub(crate) event: Arc<Value>,
    pub(crate) ingested_at: Timestamp,
    /// Buses that the event came from.
    pub(crate) hop_count: u32,
    /// Set where only the dead letter is still to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) given_up: Option<GivenUp>,
}

impl Errand for Delivery {
    type Room = Events;

    async fn run(self, room: &Events, parcel: &Parcel) -> Verdict {
        if let Some(given_up) = &self.given_up {
            return room.bury(&self, given_up, parcel).await;
        }
        let called = room.destination_of(&self);
        if let Some(wait) = room.wait_for_turn(called.as_ref(), parcel) {
            return Verdict::Later(wait);
        }
        let now = room.doors.clock.now();
        room.measure.invoked(&self.rule, now, parcel.failed_count > 0);
        match room.attempt(&self, called).await {
            Ok(()) => Verdict::Done,
            Err(failure) => room.judge(&self, parcel, &failure).await,
        }
    }
}

impl Events {
    /// Whether and when a failed delivery is tried again; what is given up is buried.
    async fn judge(&self, delivery: &Delivery, parcel: &Parcel, failure: &Failure) -> Verdict {
        let policy = delivery.target.retry_policy.clone().unwrap_or_default();
        let retries =
            Retries::of(policy.maximum_retry_attempts, policy.maximum_event_age_in_seconds);
        let now = self.doors.clock.now();
        match retries.after(parcel, failure.is_transient, now, &self.doors.ids) {
            Outcome::Again(wait) => Verdict::Retry(wait),
            Outcome::GivenUp(limit) => {
                tracing::debug!(?failure, target = delivery.target.arn, "an event is given up");
                let (code, message) = (failure.code.to_owned(), failure.message.clone());
                let retry_count = parcel.failed_count;
                let given_up = GivenUp { code, message, limit, retry_count, at: Some(now) };
                self.bury(delivery, &given_up, parcel).await
            }
        }
    }
}
