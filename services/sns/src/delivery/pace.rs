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

/// When throttled subscriptions and what waits for them may go on.
#[derive(Default)]
pub(crate) struct Paces(Mutex<State>);

/// Times are in milliseconds.
#[derive(Default)]
struct State {
    /// When each subscription may deliver next.
    next: BTreeMap<SubscriptionKey, f64>,
    /// When each delivery that was sent away may be made, by its parcel's number.
    places: BTreeMap<u64, f64>,
}

impl Paces {
    /// Takes the next place of a subscription for a parcel, unless it has one already; answers how
    /// long to wait for it. The place of one that need not wait is given back.
    pub(crate) fn wait(
        &self,
        (of, parcel): (&SubscriptionKey, u64),
        per_second: u32,
        now: Timestamp,
    ) -> Duration {
        let State { next, places } = &mut *self.0.lock();
        let now = now.0 as f64;
        let at = places.remove(&parcel).unwrap_or_else(|| {
            if next.len() >= KEPT_MAX {
                next.retain(|_, at| *at > now);
            }
            let at = next.get(of).copied().unwrap_or(now).max(now);
            next.insert(of.clone(), at + 1000.0 / f64::from(per_second.max(1)));
            at
        });
        if at > now {
            places.insert(parcel, at);
        }
        Duration::from_millis((at - now).max(0.0).ceil() as u64)
    }

    /// Forgets the place of a parcel that needs none any more.
    pub(crate) fn forget(&self, parcel: u64) {
        self.0.lock().places.remove(&parcel);
    }

    /// Forgets all, for a reset.
    pub(crate) fn clear(&self) {
        *self.0.lock() = State::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::TopicKey;

    fn of(id: &str) -> SubscriptionKey {
        let topic = TopicKey::of_arn("arn:aws:sns:us-east-1:000000000000:t").unwrap();
        SubscriptionKey { topic, id: id.to_owned() }
    }

    #[test]
    fn deliveries_of_a_subscription_are_spread_over_seconds() {
        let (paces, now) = (Paces::default(), Timestamp(1_000_000));
        let wait = |id: &str, parcel, now| paces.wait((&of(id), parcel), 2, now).as_millis();
        let waits: Vec<u128> = (0..4).map(|parcel| wait("a", parcel, now)).collect();
        assert_eq!(waits, [0, 500, 1000, 1500]);
        assert_eq!(wait("b", 4, now), 0);
        assert_eq!(wait("a", 5, Timestamp(1_009_000)), 0);
    }

    #[test]
    fn who_comes_back_has_its_place_still() {
        let (paces, now) = (Paces::default(), Timestamp(1_000_000));
        let wait = |parcel, now| paces.wait((&of("a"), parcel), 2, now).as_millis();
        assert_eq!((wait(1, now), wait(2, now), wait(3, now)), (0, 500, 1000));
        assert_eq!(wait(2, Timestamp(1_000_400)), 100, "too early");
        assert_eq!(wait(2, Timestamp(1_000_500)), 0);
        assert_eq!(
            wait(2, Timestamp(1_000_600)),
            900,
            "its place is used up: the next is the last"
        );
        paces.forget(3);
        assert_eq!(wait(3, Timestamp(1_000_600)), 1400);
    }
}
