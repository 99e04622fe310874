//! Events that no target took, on their way to a queue.

use bytes::Bytes;
use haar_courier::{Errand as _, GivenUp, Parcel, Verdict, after_dead_letter};
use haar_kernel::targets::Consignment;

use super::Delivery;
use super::sender::service;
use crate::Events;

impl Events {
    /// Sends a given-up event to the target's dead-letter queue, if it has one; tells whether the
    /// parcel is done with.
    pub(super) async fn bury(
        &self,
        delivery: &Delivery,
        given_up: &GivenUp,
        parcel: &Parcel,
    ) -> Verdict {
        let verdict = self.send_dead_letter(delivery, given_up, parcel).await;
        if verdict == Verdict::Done {
            self.measure.failed(&delivery.rule, self.doors.clock.now());
        }
        verdict
    }

    async fn send_dead_letter(
        &self,
        delivery: &Delivery,
        given_up: &GivenUp,
        parcel: &Parcel,
    ) -> Verdict {
        let config = delivery.target.dead_letter_config.as_ref();
        let Some(queue) = config.and_then(|config| config.arn.as_deref()) else {
            return Verdict::Done;
        };
        let rule_arn = delivery.rule.arn();
        let sender = service(&delivery.rule.bus.account, &rule_arn);
        let body = Bytes::from(delivery.event.to_string());
        let region = delivery.rule.bus.region.clone();
        let mut letter = Consignment::new(queue, sender, region, body);
        let mut add = |name: &str, value: String| {
            letter.attributes.push((name.to_owned(), value));
        };
        add("RULE_ARN", rule_arn);
        add("TARGET_ARN", delivery.target.arn.clone());
        add("ERROR_CODE", given_up.code.clone());
        add("ERROR_MESSAGE", given_up.message.clone());
        if let Some(limit) = given_up.limit {
            add("EXHAUSTED_RETRY_CONDITION", limit.as_str().to_owned());
            add("RETRY_ATTEMPTS", given_up.retry_count.to_string());
        }
        let sent = self.doors.targets.deliver(&letter).await;
        let now = self.doors.clock.now();
        self.measure.buried(&delivery.rule, now, sent.is_ok());
        let Err(error) = sent else { return Verdict::Done };
        tracing::warn!(%error, queue, "a dead letter was not taken");
        after_dead_letter(parcel, given_up, error.is_transient, now, || {
            let given_up = Some(given_up.clone());
            Delivery { given_up, ..delivery.clone() }.to_payload()
        })
    }
}
