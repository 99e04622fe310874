//! How fast an endpoint gets what a subscription has for it.
//!
//! AWS docs: *Amazon SNS Developer Guide > Creating an Amazon SNS delivery policy*,
//! `maxReceivesPerSecond`. That deliveries are spread evenly is *ours*.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::state::SubscriptionKey;

/// Subscriptions that are kept in mind before those that have nothing to wait for are forgotten.
const KEPT_MAX: usize = 1000;

/// When each throttled subscription may deliver next, in milliseconds.
#[derive(Default)]
pub(crate) struct Paces(Mutex<BTreeMap<SubscriptionKey, f64>>);

impl Paces {
    /// Takes the next place of a subscription; answers how long to wait for it.
    pub(crate) fn wait(&self, of: &SubscriptionKey, per_second: u32, now: Timestamp) -> Duration {
        let mut next = self.0.lock();
        let now = now.0 as f64;
        if next.len() >= KEPT_MAX {
            next.retain(|_, at| *at > now);
        }
        let at = next.get(of).copied().unwrap_or(now).max(now);
        next.insert(of.clone(), at + 1000.0 / f64::from(per_second.max(1)));
        Duration::from_secs_f64((at - now) / 1000.0)
    }

    /// Forgets all, for a reset.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::TopicKey;

    #[test]
    fn deliveries_of_a_subscription_are_spread_over_seconds() {
        let topic = TopicKey::of_arn("arn:aws:sns:us-east-1:000000000000:t").unwrap();
        let of = |id: &str| SubscriptionKey { topic: topic.clone(), id: id.to_owned() };
        let (paces, now) = (Paces::default(), Timestamp(1_000_000));
        let waits: Vec<u128> = (0..4).map(|_| paces.wait(&of("a"), 2, now).as_millis()).collect();
        assert_eq!(waits, [0, 500, 1000, 1500]);
        assert_eq!(paces.wait(&of("b"), 2, now), Duration::ZERO);
        assert_eq!(paces.wait(&of("a"), 2, Timestamp(1_009_000)), Duration::ZERO);
    }
}
