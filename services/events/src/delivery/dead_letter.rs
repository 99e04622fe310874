//! Events that no target took, on their way to a queue.

use bytes::Bytes;
use haar_courier::{Exhausted, Parcel, Verdict, after_dead_letter};
use haar_kernel::targets::Consignment;

use super::Delivery;
use super::failure::Failure;
use super::sender::service;
use crate::Events;

impl Events {
    /// Sends a given-up event to the target's dead-letter queue, if it has one; tells whether the
    /// parcel is done with.
    pub(super) async fn bury(
        &self,
        delivery: &Delivery,
        failure: &Failure,
        limit: Option<Exhausted>,
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
        add("ERROR_CODE", failure.code.to_owned());
        add("ERROR_MESSAGE", failure.message.clone());
        if let Some(limit) = limit {
            add("EXHAUSTED_RETRY_CONDITION", limit.as_str().to_owned());
            add("RETRY_ATTEMPTS", parcel.failed_count.to_string());
        }
        let sent = self.doors.targets.deliver(&letter).await;
        let now = self.doors.clock.now();
        self.measure.buried(&delivery.rule, now, sent.is_ok());
        let Err(error) = sent else { return Verdict::Done };
        tracing::warn!(%error, queue, "a dead letter was not taken");
        after_dead_letter(parcel, error.is_transient, now)
    }
}
