//! Stories of streams that are polled, on simulated time.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod house;

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Clock;
use haar_kv::Kv;
use haar_poller::rules::batch::Bounds;
use haar_poller::rules::retry;
use haar_poller::*;
use house::{BEGIN, MemoryConsumer, MemoryStream};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

struct Story {
    clock: Clock,
    stream: Arc<MemoryStream>,
    consumer: Arc<MemoryConsumer>,
    kv: Kv,
    settings: StreamSettings,
}

impl Story {
    fn new() -> Self {
        Self::with(MemoryConsumer::default())
    }

    fn with(consumer: MemoryConsumer) -> Self {
        let clock = Clock::simulated(BEGIN);
        let stream = MemoryStream::new(&clock);
        stream.open("s0", &[]);
        let settings = StreamSettings {
            position: Position::Horizon,
            bounds: Bounds { count_max: 100, window: Duration::ZERO },
            retry: retry::Settings::default(),
            lanes: 1,
            window: None,
            wait_divisor: 1,
        };
        let (consumer, kv) = (Arc::new(consumer), Kv::ephemeral());
        Self { clock, stream, consumer, kv, settings }
    }

    fn start(&self) -> CancellationToken {
        self.start_watched().0
    }

    fn start_watched(&self) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        let stop = CancellationToken::new();
        let marks = Checkpoints::open(&self.kv, "marks").unwrap();
        let ends: (Arc<dyn Stream>, Arc<dyn Consumer>) =
            (Arc::clone(&self.stream) as _, Arc::clone(&self.consumer) as _);
        let (settings, clock) = (self.settings.clone(), self.clock.clone());
        let poller = poll_stream("p".to_owned(), ends, settings, marks, clock, stop.clone());
        (stop, tokio::spawn(poller))
    }

    fn put(&self, texts: &[&str]) {
        for text in texts {
            self.stream.put("s0", "k", text);
        }
    }

    async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }
}

#[tokio::test(start_paused = true)]
async fn records_come_in_order_and_a_restart_goes_on_behind_the_last() {
    let story = Story::new();
    story.put(&["a", "unwanted", "b"]);
    let stop = story.start();
    story.pass(SECOND).await;
    story.put(&["c"]);
    story.pass(SECOND).await;
    assert_eq!(story.consumer.batches(), [vec!["a", "b"], vec!["c"]]);
    stop.cancel();
    story.pass(SECOND).await;
    story.put(&["d"]);
    story.start();
    story.pass(SECOND).await;
    assert_eq!(story.consumer.texts(), ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn latest_means_since_it_was_begun_also_after_a_restart() {
    let mut story = Story::new();
    story.settings.position = Position::Latest;
    story.put(&["before"]);
    let stop = story.start();
    story.pass(SECOND).await;
    stop.cancel();
    story.pass(SECOND).await;
    story.put(&["meanwhile"]);
    story.start();
    story.pass(SECOND).await;
    assert_eq!(story.consumer.texts(), ["meanwhile"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_its_window_or_until_it_is_full() {
    let mut story = Story::new();
    story.settings.bounds = Bounds { count_max: 3, window: 5 * SECOND };
    story.start();
    story.put(&["a"]);
    story.pass(4 * SECOND).await;
    assert!(story.consumer.batches().is_empty());
    story.pass(2 * SECOND).await;
    assert_eq!(story.consumer.batches(), [["a"]]);
    story.put(&["b", "c", "d", "e"]);
    story.pass(SECOND).await;
    assert_eq!(story.consumer.batches()[1], ["b", "c", "d"]);
    story.pass(5 * SECOND).await;
    assert_eq!(story.consumer.batches()[2], ["e"]);
}

#[tokio::test(start_paused = true)]
async fn a_poison_record_is_found_by_halving_and_given_up() {
    let mut story = Story::new();
    story.settings.retry =
        retry::Settings { retries_max: Some(1), bisects: true, ..retry::Settings::default() };
    story.consumer.poison.lock().insert("bad".to_owned());
    story.put(&["a", "b", "bad", "c"]);
    story.start();
    story.pass(10 * SECOND).await;
    let expected: Vec<Vec<&str>> = vec![
        vec!["a", "b", "bad", "c"],
        vec!["a", "b"],
        vec!["bad", "c"],
        vec!["bad"],
        vec!["bad"],
        vec!["c"],
    ];
    assert_eq!(story.consumer.batches(), expected);
    let told = (vec!["bad".to_owned()], "RetryAttemptsExhausted".to_owned(), 2);
    assert_eq!(*story.consumer.discarded.lock(), [told]);
}

#[tokio::test(start_paused = true)]
async fn a_report_moves_the_checkpoint_to_the_record_that_failed() {
    let mut story = Story::with(MemoryConsumer { reports: true, ..MemoryConsumer::default() });
    story.settings.retry =
        retry::Settings { retries_max: Some(5), reports: true, ..retry::Settings::default() };
    story.consumer.poison.lock().insert("c".to_owned());
    story.put(&["a", "b", "c", "d"]);
    let stop = story.start();
    story.pass(SECOND / 2).await;
    // Cut short here, it goes on with the record that failed.
    stop.cancel();
    story.pass(2 * SECOND).await;
    story.consumer.poison.lock().clear();
    story.start();
    story.pass(SECOND).await;
    assert_eq!(story.consumer.batches(), [vec!["a", "b", "c", "d"], vec!["c", "d"]]);
}

#[tokio::test(start_paused = true)]
async fn records_that_grow_too_old_are_given_up() {
    let mut story = Story::new();
    let age_max = Some(60 * SECOND);
    story.settings.retry = retry::Settings { age_max, ..retry::Settings::default() };
    story.consumer.poison.lock().insert("bad".to_owned());
    story.put(&["bad"]);
    story.start();
    story.pass(30 * SECOND).await;
    story.put(&["good"]);
    story.pass(120 * SECOND).await;
    let discarded = story.consumer.discarded.lock().clone();
    assert_eq!(
        (&discarded[0].0[0], discarded[0].1.as_str()),
        (&"bad".to_owned(), "RecordAgeExceeded")
    );
    assert!(discarded.len() <= 2, "{discarded:?}");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_not_reached_uses_up_no_attempts() {
    let mut story = Story::new();
    story.settings.retry = retry::Settings { retries_max: Some(0), ..retry::Settings::default() };
    for _ in 0..4 {
        story.consumer.answers.lock().push_back(Taken::Unreached("Rate Exceeded.".to_owned()));
    }
    story.put(&["a"]);
    story.start();
    story.pass(10 * SECOND).await;
    assert_eq!(story.consumer.batches().len(), 5);
    assert!(story.consumer.discarded.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn children_begin_when_their_parents_have_ended() {
    let mut story = Story::new();
    story.settings.bounds.count_max = 1;
    story.stream.open("s1", &["s0"]);
    story.stream.put("s1", "k", "child");
    story.put(&["a", "b"]);
    let stop = story.start();
    story.pass(5 * SECOND).await;
    assert_eq!(story.consumer.texts(), ["a", "b"]);
    story.stream.close("s0");
    story.pass(5 * SECOND).await;
    assert_eq!(story.consumer.texts(), ["a", "b", "child"]);
    stop.cancel();
    story.pass(SECOND).await;
    story.stream.put("s1", "k", "later");
    story.start();
    story.pass(5 * SECOND).await;
    assert_eq!(story.consumer.texts(), ["a", "b", "child", "later"]);
}

#[tokio::test(start_paused = true)]
async fn lanes_go_side_by_side_and_keep_the_order_of_each_key() {
    let mut story = Story::with(MemoryConsumer {
        clock: Some(Clock::simulated(BEGIN)),
        takes: SECOND,
        ..MemoryConsumer::default()
    });
    story.settings.lanes = 4;
    story.settings.bounds.count_max = 1;
    for round in 0..3 {
        for key in 0..8 {
            story.stream.put("s0", &key.to_string(), &format!("{key}-{round}"));
        }
    }
    let stop = story.start();
    story.pass(60 * SECOND).await;
    let texts = story.consumer.texts();
    assert_eq!(texts.len(), 24);
    for key in 0..8 {
        let of_key: Vec<_> =
            texts.iter().filter(|text| text.starts_with(&format!("{key}-"))).collect();
        assert!(of_key.is_sorted(), "{of_key:?}");
    }
    assert!((2..=4).contains(&story.consumer.now.lock().1));
    // Another count of lanes goes on where all were.
    stop.cancel();
    story.pass(SECOND).await;
    story.settings.lanes = 2;
    story.start();
    story.stream.put("s0", "9", "new");
    story.pass(10 * SECOND).await;
    assert!(story.consumer.texts().contains(&"new".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_tumbling_window_carries_its_state_and_ends_once() {
    let mut story = Story::with(MemoryConsumer { keeps_state: true, ..MemoryConsumer::default() });
    story.settings.window = Some(60 * SECOND);
    story.put(&["a"]);
    story.start();
    story.pass(10 * SECOND).await;
    story.put(&["b"]);
    story.pass(60 * SECOND).await;
    let had = story.consumer.had.lock().clone();
    let states: Vec<_> = had.iter().map(|had| had.window.as_ref().unwrap()).collect();
    assert_eq!(had.len(), 3, "{had:?}");
    assert_eq!((&had[0].texts, &states[0].state), (&vec!["a".to_owned()], &json!({})));
    assert_eq!(
        (&had[1].texts, &states[1].state),
        (&vec!["b".to_owned()], &json!({ "seen": ["a"] }))
    );
    assert!(had[2].texts.is_empty() && states[2].is_final && !states[1].is_final);
    assert_eq!(states[2].state, json!({ "seen": ["a", "b"] }));
    assert_eq!((states[0].start, states[0].end), (BEGIN, BEGIN + 60 * SECOND));
    story.put(&["c"]);
    story.pass(SECOND).await;
    let last = story.consumer.had.lock().last().cloned().unwrap();
    assert_eq!(last.window.unwrap().state, json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cut_short_is_made_again() {
    let story = Story::new();
    story.consumer.answers.lock().push_back(Taken::Cut);
    story.put(&["a"]);
    story.start();
    story.pass(5 * SECOND).await;
    assert!(story.consumer.discarded.lock().is_empty());
    story.start();
    story.pass(5 * SECOND).await;
    assert!(story.consumer.texts().iter().all(|text| text == "a"));
    assert!(story.consumer.texts().len() >= 2);
}

/// Two keys that go by different lanes of two.
const KEYS: [&str; 2] = ["a", "b"];

#[tokio::test(start_paused = true)]
async fn a_lane_whose_consumer_is_stuck_holds_up_no_other() {
    let mut story = Story::new();
    story.settings.lanes = 2;
    story.settings.bounds.count_max = 10;
    story.consumer.stuck.lock().insert("stuck".to_owned());
    story.stream.put("s0", KEYS[0], "stuck");
    // far more than is read ahead of one lane
    for number in 0..6_000 {
        story.stream.put("s0", KEYS[0], &format!("a-{number}"));
    }
    story.stream.put("s0", KEYS[1], "free");
    let stop = story.start();
    story.pass(10 * SECOND).await;
    assert!(story.consumer.texts().contains(&"free".to_owned()));
    stop.cancel();
    // It goes on in order, and all of it comes, once the consumer answers.
    story.consumer.stuck.lock().clear();
    story.consumer.had.lock().clear();
    story.stream.close("s0");
    story.start();
    story.pass(60 * SECOND).await;
    let expected: Vec<String> = std::iter::once("stuck".to_owned())
        .chain((0..6_000).map(|number| format!("a-{number}")))
        .collect();
    let texts = story.consumer.texts();
    let of_stuck: Vec<_> = texts.iter().filter(|text| *text != "free").cloned().collect();
    assert!(of_stuck == expected, "{} of {}", of_stuck.len(), expected.len());
    assert!(texts.iter().all(|text| text != "free"), "it was done before");
}

#[tokio::test(start_paused = true)]
async fn what_is_read_ahead_is_bounded_by_bytes_and_batches_are_too() {
    let mut story = Story::new();
    story.settings.bounds.count_max = 10_000;
    let stuck = "0".to_owned();
    story.consumer.stuck.lock().insert(stuck);
    for number in 0..100 {
        story.stream.put_sized("s0", "k", &number.to_string(), 1 << 20);
    }
    let stop = story.start();
    story.pass(10 * SECOND).await;
    // a batch of six megabytes less its envelope, and what is ahead of it
    assert_eq!(story.consumer.batches(), [["0", "1", "2", "3", "4"]]);
    stop.cancel();
    story.consumer.stuck.lock().clear();
    story.start();
    story.pass(60 * SECOND).await;
    let texts = story.consumer.texts();
    let again: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(texts[5..], again);
}

#[tokio::test(start_paused = true)]
async fn idle_lanes_bring_nothing_back_after_a_restart_with_another_count() {
    let mut story = Story::new();
    story.settings.lanes = 2;
    for number in 0..50 {
        story.stream.put("s0", KEYS[1], &number.to_string());
    }
    let stop = story.start();
    story.pass(5 * SECOND).await;
    assert_eq!(story.consumer.texts().len(), 50);
    stop.cancel();
    story.pass(SECOND).await;
    let read = *story.stream.read.lock();
    for lanes in [5, 1, 2] {
        story.settings.lanes = lanes;
        let stop = story.start();
        story.pass(5 * SECOND).await;
        stop.cancel();
        story.pass(SECOND).await;
    }
    assert_eq!(story.consumer.texts().len(), 50);
    assert_eq!(*story.stream.read.lock(), read, "they are not even read again");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_was_behind_brings_back_its_own_records_alone() {
    let mut story = Story::new();
    story.settings.lanes = 2;
    story.settings.bounds.count_max = 1;
    story.consumer.stuck.lock().insert("stuck".to_owned());
    story.stream.put("s0", KEYS[0], "stuck");
    for number in 0..5 {
        story.stream.put("s0", KEYS[1], &number.to_string());
    }
    let stop = story.start();
    story.pass(5 * SECOND).await;
    assert_eq!(story.consumer.texts().len(), 6);
    stop.cancel();
    story.consumer.stuck.lock().clear();
    story.settings.lanes = 3;
    story.start();
    story.pass(5 * SECOND).await;
    assert_eq!(story.consumer.texts()[6..], ["stuck"]);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_does_not_answer_holds_up_no_stop() {
    let mut story = Story::with(MemoryConsumer { is_deaf: true, ..MemoryConsumer::default() });
    story.settings.retry = retry::Settings { retries_max: Some(0), ..retry::Settings::default() };
    story.consumer.poison.lock().insert("bad".to_owned());
    story.put(&["bad"]);
    let (stop, poller) = story.start_watched();
    story.pass(5 * SECOND).await;
    stop.cancel();
    story.pass(SECOND).await;
    assert!(poller.is_finished());
    // Nobody was told: it comes again.
    story.start();
    story.pass(5 * SECOND).await;
    assert_eq!(story.consumer.texts(), ["bad", "bad"]);
}
