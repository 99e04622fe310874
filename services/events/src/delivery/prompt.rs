//! Deliveries that are made before their sender is answered.
//!
//! A queue of this haar takes a message at once and has it on disk: to stage what goes there, and
//! to send it a moment later, would write all of it twice. What a queue does not take goes the
//! usual way from then on.

use futures_util::future::join_all;
use haar_courier::{Errand as _, Lane, Letter, Parcel, Verdict};
use haar_events_contract::model::Target;

use super::Delivery;
use crate::Events;

/// True for a target that takes what it takes at once.
pub(crate) fn is_prompt(target: &Target) -> bool {
    target.arn.split(':').nth(2) == Some("sqs")
}

impl Events {
    /// Makes the first attempts; answers what is to be tried again later.
    pub(crate) async fn send_promptly(&self, deliveries: Vec<Delivery>) -> Vec<Letter> {
        let attempts = deliveries.iter().map(|delivery| self.send_one_promptly(delivery));
        join_all(attempts).await.into_iter().flatten().collect()
    }

    async fn send_one_promptly(&self, delivery: &Delivery) -> Option<Letter> {
        let now = self.doors.clock.now();
        self.measure.invoked(&delivery.rule, now, false);
        let Err(failure) = self.hand_over(delivery).await else { return None };
        let lane = Lane::Shared(delivery.target.arn.clone());
        let letter = Letter::new(&delivery.rule.bus.account, lane, delivery.to_payload());
        match self.judge(delivery, &Parcel::unsent(&letter, now), &failure).await {
            Verdict::Done => None,
            Verdict::Retry(wait) | Verdict::Later(wait) => {
                Some(letter.after_a_failure(self.doors.clock.now() + wait))
            }
            Verdict::Instead(payload, wait) => {
                let letter = Letter { payload, ..letter };
                Some(letter.after_a_failure(self.doors.clock.now() + wait))
            }
        }
    }
}
