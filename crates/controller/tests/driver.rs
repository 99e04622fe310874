//! The driver, with a toy controller on simulated time.

#![allow(clippy::unwrap_used)] // a test ends where it cannot go on

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, ActError, Controller, Driver, DriverHandle, Plan};
use haar_ledger::{ChangeSet, Ledger, Row, Snapshot, Tables};
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LampRow {
    name: String,
    wanted: bool,
    lit: bool,
    off_at: Option<Timestamp>,
}

impl Row for LampRow {
    type Key = String;
    const TABLE: &'static str = "toy.lamp";

    fn key(&self) -> String {
        self.name.clone()
    }
}

#[derive(Debug)]
enum Step {
    Switch(String, bool),
    Expire(String),
}

#[derive(Default)]
struct Lamps {
    failures_left: AtomicU32,
    switched: AtomicU32,
}

impl Controller for Lamps {
    type Key = String;
    type Step = Step;
    const NAME: &'static str = "toy.lamps";

    fn keys(&self, changes: &ChangeSet) -> Vec<String> {
        changes.keys::<LampRow>()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<String> {
        snapshot.all::<LampRow>().map(|lamp| lamp.name.clone()).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &String, now: Timestamp) -> Plan<Step> {
        let Some(lamp) = snapshot.get::<LampRow>(key) else { return Plan::default() };
        assert_ne!(lamp.name, "broken", "this lamp panics");
        if lamp.wanted != lamp.lit {
            return Plan::step(Step::Switch(key.clone(), lamp.wanted));
        }
        match lamp.off_at {
            Some(at) if lamp.lit && now >= at => Plan::step(Step::Expire(key.clone())),
            Some(at) if lamp.lit => Plan::default().wake_at(at),
            _ => Plan::default(),
        }
    }

    async fn act(&self, step: Step, cx: &ActCx) -> Result<(), ActError> {
        if self.failures_left.load(SeqCst) > 0 {
            self.failures_left.fetch_sub(1, SeqCst);
            return Err(ActError::transient("the power is off"));
        }
        let change = |name: &String, change: &dyn Fn(&mut LampRow)| {
            let committed = cx.ledger.transact(|tx| {
                Ok::<_, std::convert::Infallible>(tx.update::<LampRow>(name, |row| change(row)))
            });
            committed.map_err(ActError::lasting)
        };
        if let Step::Switch(name, true) = &step {
            match name.split_once('-') {
                Some(("patient", _)) => cx.aside(cx.clock.sleep(HOUR)).await,
                Some(("busy", _)) => cx.clock.sleep(HOUR).await,
                _ => {}
            }
        }
        match step {
            Step::Switch(name, lit) if name.starts_with("flicker") => {
                cx.clock.sleep(Duration::from_secs(1)).await;
                let flicker = |row: &mut LampRow| (row.lit, row.wanted) = (lit, !lit);
                change(&name, &flicker)?.durable().await?;
            }
            Step::Switch(name, true) if name.starts_with("faulty") => {
                let tries = self.switched.fetch_add(1, SeqCst).into();
                change(&name, &|row| row.off_at = Some(Timestamp(tries)))?.durable().await?;
                assert!(!name.ends_with("panics"), "this lamp panics when it is switched on");
                return Err(ActError::transient("the fuse blew"));
            }
            Step::Switch(name, true) if name == "moody" => {
                let row = cx.ledger.snapshot().get::<LampRow>(&name);
                cx.clock.sleep(Duration::from_secs(1)).await;
                assert!(row.is_some_and(|row| row.off_at.is_some()), "it wants to know its end");
                change(&name, &|row| row.lit = true)?.durable().await?;
            }
            Step::Switch(name, lit) => {
                self.switched.fetch_add(1, SeqCst);
                change(&name, &|row| row.lit = lit)?.durable().await?;
            }
            Step::Expire(name) => {
                change(&name, &|row| row.wanted = false)?.durable().await?;
            }
        }
        Ok(())
    }
}

/// How long a lamp takes that is patient or busy.
const HOUR: Duration = Duration::from_secs(3600);

struct House {
    ledger: Ledger,
    clock: Clock,
    lamps: Arc<Lamps>,
    driver: DriverHandle,
}

fn house() -> House {
    house_at(Clock::simulated(Timestamp(0)))
}

fn house_at(clock: Clock) -> House {
    let ledger = Ledger::ephemeral(Tables::new().with::<LampRow>());
    let cx = ActCx::new(ledger.clone(), clock.clone(), IdSource::seeded(1));
    let lamps = Arc::new(Lamps::default());
    let driver = Driver::new(cx).add(Arc::clone(&lamps)).run();
    House { ledger, clock, lamps, driver }
}

impl House {
    async fn put(&self, name: &str, off_at: Option<Timestamp>) {
        let row = LampRow { name: name.into(), wanted: true, lit: false, off_at };
        let put = self.ledger.transact(|tx| {
            tx.put(row);
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(committed) = put;
        committed.durable().await.unwrap();
    }

    fn lit(&self, name: &str) -> bool {
        self.ledger.snapshot().get::<LampRow>(&name.to_owned()).unwrap().lit
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_appears_is_acted_on_once_and_again_at_its_time() {
    let house = house();
    house.put("hall", Some(Timestamp(3_600_000))).await;
    house.clock.sleep(Duration::from_secs(1)).await;
    assert!(house.lit("hall"));
    assert_eq!(house.lamps.switched.load(SeqCst), 1);
    house.clock.sleep(Duration::from_secs(3600)).await;
    assert!(!house.lit("hall"));
    assert_eq!(house.lamps.switched.load(SeqCst), 2);
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_moved_clock_has_each_key_looked_at_at_its_time() {
    let (clock, hand) = Clock::simulated(Timestamp(0)).movable();
    let house = house_at(clock);
    for hour in 1..=20 {
        house.put(&format!("{hour:02}"), Some(Timestamp(0) + HOUR * hour)).await;
    }
    house.clock.sleep(Duration::from_secs(1)).await;
    hand.go(HOUR * 10).await;
    let lit: Vec<bool> = (1..=20).map(|hour| house.lit(&format!("{hour:02}"))).collect();
    assert_eq!(lit, [[false; 10], [true; 10]].concat());
    assert!(house.clock.machine().now() < Timestamp(0) + HOUR / 60);
    hand.put_back();
    house.put("late", Some(house.clock.now() + HOUR)).await;
    house.clock.sleep(HOUR + Duration::from_secs(1)).await;
    assert!(!house.lit("late"), "its time is of the clock that was put back");
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_moved_clock_hurries_no_key_that_failed() {
    let (clock, hand) = Clock::simulated(Timestamp(0)).movable();
    let house = house_at(clock);
    house.lamps.failures_left.store(1_000, SeqCst);
    house.put("hall", None).await;
    hand.go(HOUR * 10).await;
    let failed = house.driver.stats()[0].failures;
    assert!((1..5).contains(&failed), "{failed} attempts within moments");
    house.lamps.failures_left.store(0, SeqCst);
    house.clock.sleep(Duration::from_secs(120)).await;
    assert!(house.lit("hall"));
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_again_until_it_passes() {
    let house = house();
    house.lamps.failures_left.store(5, SeqCst);
    house.put("hall", None).await;
    house.clock.sleep(Duration::from_secs(30)).await;
    assert!(house.lit("hall"));
    assert_eq!(house.driver.stats()[0].failures, 5);
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_act_that_writes_what_it_failed_at_waits_until_another_changes_the_row() {
    for (name, most) in [("faulty", 8), ("faulty-panics", 2)] {
        let house = house();
        house.put(name, None).await;
        house.clock.sleep(Duration::from_secs(10)).await;
        let tried = house.lamps.switched.load(SeqCst);
        assert!((2..=most).contains(&tried), "{name}: {tried} tries within 10 seconds");
        house.put(name, None).await;
        house.clock.sleep(Duration::from_millis(10)).await;
        assert!(house.lamps.switched.load(SeqCst) > tried, "{name} was looked at at once");
        house.driver.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_panics_is_put_aside_and_harms_no_other() {
    let house = house();
    house.put("broken", None).await;
    house.put("hall", None).await;
    house.clock.sleep(Duration::from_secs(5)).await;
    assert!(house.lit("hall"));
    assert_eq!(house.driver.stats()[0].quarantined, 1);
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_during_an_act_that_panics_is_looked_at_however_often_that_was_so_before() {
    let house = house();
    let end = Some(Timestamp(i64::MAX));
    house.put("moody", None).await;
    for off_at in [None, end] {
        house.clock.sleep(Duration::from_millis(500)).await;
        house.put("moody", off_at).await; // while it is acted on, if it is
        house.clock.sleep(Duration::from_millis(600)).await;
    }
    house.clock.sleep(Duration::from_secs(120)).await;
    assert!(house.lit("moody"));
    assert_eq!(house.driver.stats()[0].quarantined, 0);
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn acts_that_wait_for_others_keep_nobody_from_acting() {
    let house = house();
    for count in 0..100 {
        house.put(&format!("patient-{count:02}"), None).await;
    }
    house.put("porch", None).await;
    house.clock.sleep(Duration::from_secs(1)).await;
    assert!(house.lit("porch"));
    assert_eq!(house.driver.stats()[0].in_flight, 100);
    house.clock.sleep(HOUR).await;
    assert!((0..100).all(|count| house.lit(&format!("patient-{count:02}"))));
    assert_eq!(house.driver.stats()[0].in_flight, 0);
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_always_due_keep_no_other_waiting() {
    let house = house();
    for count in 0..40 {
        house.put(&format!("flicker-{count:02}"), None).await;
    }
    house.put("porch", None).await;
    house.clock.sleep(Duration::from_secs(10)).await;
    assert!(house.lit("porch"));
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn acts_that_work_are_as_many_as_there_are_seats() {
    let house = house();
    for count in 0..20 {
        house.put(&format!("busy-{count:02}"), None).await;
    }
    house.put("porch", None).await;
    house.clock.sleep(Duration::from_secs(1)).await;
    assert!(!house.lit("porch"));
    assert_eq!(house.driver.stats()[0].in_flight, Lamps::CONCURRENCY);
    house.clock.sleep(HOUR).await;
    assert!(house.lit("porch"));
    house.driver.stop().await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_there_before_the_start_are_found() {
    let first = house();
    first.driver.stop().await;
    first.put("hall", None).await;
    assert!(!first.lit("hall"));
    let cx = ActCx::new(first.ledger.clone(), first.clock.clone(), IdSource::seeded(2));
    let driver = Driver::new(cx).add(Arc::new(Lamps::default())).run();
    first.clock.sleep(Duration::from_secs(1)).await;
    assert!(first.lit("hall"));
    driver.stop().await;
}
