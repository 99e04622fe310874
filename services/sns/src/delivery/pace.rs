//! How fast an endpoint gets what a subscription has for it.
//!
//! AWS docs: *Amazon SNS Developer Guide > Creating an Amazon SNS delivery policy*,
//! `maxReceivesPerSecond`. That deliveries are spread evenly is *ours*.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::state::SubscriptionKey;

/// Subscriptions that are kept in mind before those that have nothing to wait for are forgotten.
const KEPT_MAX: usize = 1000;
/// How far ahead places are given away, in microseconds: what waits for longer asks again then, when
/// the throttle may be another and the subscription gone.
const AHEAD_US: u64 = 60_000_000;

/// When throttled subscriptions and what waits for them may go on.
#[derive(Default)]
pub(crate) struct Paces(Mutex<State>);

#[derive(Default)]
struct State {
    paces: BTreeMap<SubscriptionKey, Pace>,
    /// Whose each delivery is that was sent away, and when it may be made, by its parcel's number.
    places: BTreeMap<u64, (SubscriptionKey, u64)>,
}

/// One subscription's. Times are in microseconds.
#[derive(Default)]
struct Pace {
    per_second: u32,
    /// When it may deliver next, after all places that were given away.
    next: u64,
    /// Places that were given back.
    free: BTreeSet<u64>,
}

impl Pace {
    /// The earliest place that is free, unless it is too far ahead.
    fn take(&mut self, now: u64) -> Option<u64> {
        self.free = self.free.split_off(&now);
        if let Some(at) = self.free.pop_first() {
            return Some(at);
        }
        let at = self.next.max(now);
        if at > now + AHEAD_US {
            return None;
        }
        self.next = at + 1_000_000 / u64::from(self.per_second.max(1));
        Some(at)
    }
}

impl Paces {
    /// Takes the first free place of a subscription for a parcel, unless it has one already; answers
    /// how long to wait for it, or until there may be one. The place of one that need not wait is
    /// given back. Another rate than before makes all places void.
    pub(crate) fn wait(
        &self,
        (of, parcel): (&SubscriptionKey, u64),
        per_second: u32,
        now: Timestamp,
    ) -> Duration {
        let State { paces, places } = &mut *self.0.lock();
        let now = u64::try_from(now.0).unwrap_or_default() * 1000;
        if paces.len() >= KEPT_MAX && !paces.contains_key(of) {
            paces.retain(|_, pace| pace.next > now);
        }
        let pace = paces.entry(of.clone()).or_default();
        if pace.per_second != per_second {
            *pace = Pace { per_second, ..Pace::default() };
            places.retain(|_, (whose, _)| whose != of);
        }
        let own = places.remove(&parcel).map(|(_, at)| at);
        let at = own.or_else(|| pace.take(now));
        if let Some(at) = at.filter(|at| *at > now) {
            places.insert(parcel, (of.clone(), at));
        }
        let wait = at.map_or(AHEAD_US, |at| at.saturating_sub(now));
        Duration::from_millis(wait.div_ceil(1000))
    }

    /// Gives back the place of a parcel that needs none any more.
    pub(crate) fn forget(&self, parcel: u64) {
        let State { paces, places } = &mut *self.0.lock();
        let Some((of, at)) = places.remove(&parcel) else { return };
        if let Some(pace) = paces.get_mut(&of) {
            pace.free.insert(at);
        }
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
        assert_eq!(wait(4, Timestamp(1_000_600)), 400, "the first that is free");
    }

    #[test]
    fn places_are_given_away_a_minute_ahead_and_no_more() {
        let (paces, begin) = (Paces::default(), Timestamp(1_000_000));
        let wait = |parcel, now| paces.wait((&of("a"), parcel), 1, now).as_secs();
        let waits: Vec<u64> = (0..100).map(|parcel| wait(parcel, begin)).collect();
        assert_eq!(waits[60], 60);
        assert!(waits[61..].iter().all(|wait| *wait == 60), "they ask again");
        let later = Timestamp(1_020_000);
        assert_eq!(wait(500, later), 41, "who is tried again need not wait for all others");
        assert_eq!(wait(70, Timestamp(1_060_000)), 2);
    }

    #[test]
    fn another_rate_makes_places_void() {
        let (paces, now) = (Paces::default(), Timestamp(1_000_000));
        let wait = |parcel, rate| paces.wait((&of("a"), parcel), rate, now).as_millis();
        assert_eq!((wait(1, 1), wait(2, 1), wait(3, 1)), (0, 1000, 2000));
        assert_eq!((wait(3, 10), wait(2, 10)), (0, 100));
        assert_eq!(wait(2, 10), 100);
    }
}
