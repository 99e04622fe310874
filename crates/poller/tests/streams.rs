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
        let stop = CancellationToken::new();
        let marks = Checkpoints::open(&self.kv, "marks").unwrap();
        let ends: (Arc<dyn Stream>, Arc<dyn Consumer>) =
            (Arc::clone(&self.stream) as _, Arc::clone(&self.consumer) as _);
        let (settings, clock) = (self.settings.clone(), self.clock.clone());
        tokio::spawn(poll_stream("p".to_owned(), ends, settings, marks, clock, stop.clone()));
        stop
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
