//! Parcels are carried at least once, in order where that is asked, and keep nobody waiting.

#![allow(clippy::unwrap_used)] // a test ends where it cannot go on

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use haar_clock::Clock;
use haar_courier::{Carrier, Courier, CourierSettings, Lane, Letter, Parcel, Verdict, back_off};
use haar_kv::{Batch, Kv};
use haar_types::{AccountId, Timestamp};
use parking_lot::Mutex;

/// Writes down what it is given; fails the first `failures` attempts at a payload.
struct Book {
    clock: Clock,
    takes: Duration,
    failures: BTreeMap<Vec<u8>, u32>,
    attempts: Mutex<Vec<(String, u32)>>,
}

impl Book {
    fn new(failures: &[(&str, u32)]) -> Arc<Self> {
        Self::at(Clock::simulated(Timestamp::default()), failures)
    }

    fn at(clock: Clock, failures: &[(&str, u32)]) -> Arc<Self> {
        let failures = failures.iter().map(|(name, count)| (name.as_bytes().to_vec(), *count));
        Arc::new(Self {
            clock,
            takes: Duration::from_millis(1),
            failures: failures.collect(),
            attempts: Mutex::default(),
        })
    }

    fn attempts(&self) -> Vec<(String, u32)> {
        self.attempts.lock().clone()
    }

    fn names(&self) -> Vec<String> {
        self.attempts().into_iter().map(|(name, _)| name).collect()
    }
}

impl Carrier for Book {
    fn carry<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let name = String::from_utf8_lossy(&parcel.payload).into_owned();
            self.attempts.lock().push((name.clone(), parcel.failed_count));
            assert!(name != "panic" || parcel.failed_count > 0, "as the test asks");
            if name.starts_with("slow") {
                self.clock.sleep(Duration::from_secs(3600)).await;
            }
            self.clock.sleep(self.takes).await;
            if name == "early" && self.names().iter().filter(|known| **known == name).count() == 1 {
                return Verdict::Later(Duration::from_secs(60));
            }
            let failures = self.failures.get(&*parcel.payload).copied().unwrap_or_default();
            match parcel.failed_count < failures {
                true => Verdict::Retry(Duration::from_secs(60)),
                false => Verdict::Done,
            }
        })
    }
}

fn open(kv: &Kv, book: &Arc<Book>, settings: CourierSettings) -> Courier {
    let carrier = Arc::clone(book) as Arc<dyn Carrier>;
    Courier::open(kv, book.clock.clone(), "test.parcels", carrier, settings).unwrap()
}

fn letters(lane: &Lane, names: &[&'static str]) -> Vec<Letter> {
    of(&AccountId::default(), lane, names)
}

fn of(owner: &AccountId, lane: &Lane, names: &[&'static str]) -> Vec<Letter> {
    names.iter().map(|name| Letter::new(owner, lane.clone(), name.as_bytes())).collect()
}

fn shared(name: &str) -> Lane {
    Lane::Shared(name.to_owned())
}

async fn pass(book: &Book, seconds: u64) {
    book.clock.sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_parcel_comes_again_with_its_count_until_it_is_done() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[("a", 2)]));
    let courier = open(&kv, &book, CourierSettings::default());
    courier.send(letters(&shared("x"), &["a", "b"])).await.unwrap();
    pass(&book, 30).await;
    assert_eq!(courier.len().unwrap(), 1, "b is done, a waits");
    pass(&book, 120).await;
    let of_a: Vec<u32> =
        book.attempts().into_iter().filter(|(name, _)| name == "a").map(|one| one.1).collect();
    assert_eq!(of_a, [0, 1, 2]);
    assert!(courier.is_empty().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_parcel_whose_turn_it_is_not_waits_in_nobodys_place_and_has_not_failed() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[]));
    let settings = CourierSettings { carried_max: 1, per_lane_max: 1 };
    let courier = open(&kv, &book, settings);
    courier.send(letters(&shared("x"), &["early", "next"])).await.unwrap();
    courier.send(letters(&shared("y"), &["other"])).await.unwrap();
    pass(&book, 30).await;
    let mut begun = book.names();
    begun.sort_unstable();
    assert_eq!(begun, ["early", "next", "other"]);
    pass(&book, 60).await;
    assert_eq!(book.attempts().last(), Some(&("early".to_owned(), 0)));
    assert!(courier.is_empty().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_moved_clock_has_each_retry_made_at_its_time() {
    let (clock, hand) = Clock::simulated(Timestamp::default()).movable();
    let (kv, book) = (Kv::ephemeral(), Book::at(clock, &[("a", 20)]));
    let courier = open(&kv, &book, CourierSettings::default());
    courier.send(letters(&shared("x"), &["a"])).await.unwrap();
    hand.go(Duration::from_secs(10 * 60 + 30)).await;
    assert_eq!(book.attempts().len(), 11, "one, and one for each minute");
    assert!(book.clock.machine().now() < Timestamp(60_000));
}

#[tokio::test(start_paused = true)]
async fn an_ordered_lane_waits_for_the_first_while_other_lanes_go_on() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[("1", 1)]));
    let courier = open(&kv, &book, CourierSettings::default());
    courier.send(letters(&Lane::Ordered("g".to_owned()), &["1", "2", "3"])).await.unwrap();
    courier.send(letters(&Lane::Ordered("h".to_owned()), &["other"])).await.unwrap();
    pass(&book, 10).await;
    let mut begun = book.names();
    begun.sort_unstable();
    assert_eq!(begun, ["1", "other"]);
    pass(&book, 120).await;
    let in_order: Vec<String> = book.names().into_iter().filter(|name| name != "other").collect();
    assert_eq!(in_order, ["1", "1", "2", "3"]);
    assert!(courier.is_empty().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_takes_no_places_from_others() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[]));
    let settings = CourierSettings { carried_max: 8, per_lane_max: 2 };
    let courier = open(&kv, &book, settings);
    courier.send(letters(&shared("slow"), &["slow 1", "slow 2", "slow 3"])).await.unwrap();
    courier.send(letters(&shared("quick"), &["q 1", "q 2", "q 3"])).await.unwrap();
    pass(&book, 10).await;
    let names = book.names();
    assert!(["q 1", "q 2", "q 3"].iter().all(|name| names.contains(&(*name).to_owned())));
    assert!(!names.contains(&"slow 3".to_owned()), "beyond its lane's bound");
    pass(&book, 8000).await;
    assert!(courier.is_empty().unwrap());
}

/// Names of which lanes were carried, with how many of each.
fn by_lane(book: &Book) -> BTreeMap<String, usize> {
    book.names().into_iter().fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(name).or_default() += 1;
        counts
    })
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_receivers_are_all_slow_keeps_no_other_waiting() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[]));
    let settings = CourierSettings { carried_max: 16, per_lane_max: 4 };
    let courier = open(&kv, &book, settings);
    let [first, second, third] =
        ["111111111111", "222222222222", "333333333333"].map(|id| id.parse().unwrap());
    for owner in [&first, &second] {
        for lane in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let slow = if *owner == first { ["slow 1"; 9] } else { ["slow 2"; 9] };
            courier.send(of(owner, &shared(lane), &slow)).await.unwrap();
        }
        pass(&book, 1).await;
    }
    let carried = BTreeMap::from([("slow 1".to_owned(), 8), ("slow 2".to_owned(), 4)]);
    assert_eq!(by_lane(&book), carried, "half of what is free each time, and no more");

    courier.send(of(&third, &shared("a"), &["q"; 20])).await.unwrap();
    pass(&book, 1).await;
    assert_eq!(by_lane(&book)["q"], 20);
    pass(&book, 100 * 3600).await;
    assert_eq!(by_lane(&book)["slow 2"], 72);
    assert!(courier.is_empty().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_free_is_for_the_lane_that_has_fewest() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[]));
    let settings = CourierSettings { carried_max: 8, per_lane_max: 3 };
    let courier = open(&kv, &book, settings);
    courier.send(letters(&shared("x"), &["slow x"; 9])).await.unwrap();
    pass(&book, 60).await;
    courier.send(letters(&shared("y"), &["slow y"; 9])).await.unwrap();
    pass(&book, 60).await;
    courier.send(letters(&shared("z"), &["z"; 3])).await.unwrap();
    pass(&book, 60).await;
    let all = BTreeMap::from([("slow x".to_owned(), 3), ("slow y".to_owned(), 1)]);
    assert_eq!(by_lane(&book), all, "an account's half is taken");
    pass(&book, 3500).await;
    assert_eq!(by_lane(&book)["z"], 3, "once the first of x is done");
}

#[tokio::test(start_paused = true)]
async fn lanes_of_one_name_are_each_accounts_own() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[("1", 1)]));
    let courier = open(&kv, &book, CourierSettings::default());
    let lane = Lane::Ordered("g".to_owned());
    courier.send(letters(&lane, &["1", "2"])).await.unwrap();
    courier.send(of(&"111111111111".parse().unwrap(), &lane, &["other"])).await.unwrap();
    pass(&book, 10).await;
    let mut begun = book.names();
    begun.sort_unstable();
    assert_eq!(begun, ["1", "other"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_reset_a_lane_keeps_its_order_and_places_their_number() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[("failing", 1)]));
    let settings = CourierSettings { carried_max: 2, per_lane_max: 2 };
    let courier = open(&kv, &book, settings);
    let [busy, held] = ["busy", "held"].map(|name| Lane::Ordered(name.to_owned()));
    courier.send(letters(&held, &["failing", "lost"])).await.unwrap();
    pass(&book, 1).await;
    courier.send(letters(&busy, &["slow", "lost"])).await.unwrap();
    pass(&book, 1).await;
    courier.clear().unwrap();
    courier.send(letters(&busy, &["1", "2"])).await.unwrap();
    courier.send(letters(&held, &["3"])).await.unwrap();
    pass(&book, 1800).await;
    assert_eq!(book.names(), ["failing", "slow"], "the account's place is taken");
    pass(&book, 1900).await;
    let names = book.names();
    let behind: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| *name == "1" || *name == "2").collect();
    assert_eq!(behind, ["1", "2"]);
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(courier.is_empty().unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_was_staged_is_carried_after_a_restart_in_order() {
    let (kv, before) = (Kv::ephemeral(), Book::new(&[("1", 9)]));
    let courier = open(&kv, &before, CourierSettings::default());
    let mut batch = Batch::new();
    let lane = Lane::Ordered("g".to_owned());
    let staged = courier.stage(&mut batch, letters(&lane, &["1", "2", "3"]));
    kv.apply(batch).unwrap();
    courier.dispatch(staged);
    pass(&before, 10).await;
    drop(courier);
    pass(&before, 10).await;

    let after = Book::new(&[]);
    let courier = open(&kv, &after, CourierSettings::default());
    pass(&after, 120).await;
    assert_eq!(after.attempts(), [("1".to_owned(), 1), ("2".to_owned(), 0), ("3".to_owned(), 0)]);
    assert!(courier.is_empty().unwrap());
}

#[tokio::test(start_paused = true)]
async fn parcels_wait_for_their_time_and_a_panic_is_one_failure() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[]));
    let courier = open(&kv, &book, CourierSettings::default());
    let later = book.clock.now() + Duration::from_secs(100);
    let letter = Letter {
        due_at: Some(later),
        ..Letter::new(&AccountId::default(), shared("x"), &b"later"[..])
    };
    courier.send([letter]).await.unwrap();
    courier.send(letters(&shared("x"), &["panic"])).await.unwrap();
    pass(&book, 50).await;
    assert_eq!(book.attempts(), [("panic".to_owned(), 0), ("panic".to_owned(), 1)]);
    pass(&book, 60).await;
    assert!(book.names().contains(&"later".to_owned()));
    assert!(courier.is_empty().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_what_waits_and_what_is_being_carried() {
    let (kv, book) = (Kv::ephemeral(), Book::new(&[("a", 9)]));
    let courier = open(&kv, &book, CourierSettings::default());
    courier.send(letters(&shared("x"), &["a", "slow"])).await.unwrap();
    pass(&book, 5).await;
    courier.clear().unwrap();
    pass(&book, 8000).await;
    assert_eq!(book.names().len(), 2, "none is carried again");
    assert!(courier.is_empty().unwrap());
}

#[test]
fn waits_double_up_to_the_longest() {
    let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
    let waits: Vec<u64> =
        [0, 1, 5, 6, 40].iter().map(|count| back_off(first, longest, *count).as_secs()).collect();
    assert_eq!(waits, [1, 2, 32, 60, 60]);
}
