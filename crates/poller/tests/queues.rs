//! Stories of queues that are polled, on simulated time.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod house;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use haar_clock::Clock;
use haar_poller::rules::batch::Bounds;
use haar_poller::*;
use house::{BEGIN, MemoryConsumer, MemoryQueue};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

fn settings(count_max: usize, window: Duration) -> QueueSettings {
    QueueSettings {
        bounds: Bounds { count_max, window },
        reports: false,
        concurrency_max: None,
        pollers: None,
        wait_divisor: 1,
    }
}

fn start(
    queue: &Arc<MemoryQueue>,
    consumer: &Arc<MemoryConsumer>,
    settings: QueueSettings,
) -> CancellationToken {
    let stop = CancellationToken::new();
    let (queue, consumer) = (Arc::clone(queue), Arc::clone(consumer));
    let clock = queue.clock.clone();
    tokio::spawn(poll_queue(queue, consumer, settings, clock, stop.clone()));
    stop
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_batches_and_are_deleted_when_they_are_done() {
    let clock = Clock::simulated(BEGIN);
    let queue = MemoryQueue::new(&clock, 30 * SECOND);
    for id in 0..25 {
        queue.send(&id.to_string());
    }
    queue.send("unwanted");
    let consumer = Arc::new(MemoryConsumer::default());
    start(&queue, &consumer, settings(10, Duration::ZERO));
    clock.sleep(SECOND).await;
    assert_eq!(queue.left(), 0);
    let sizes: Vec<usize> = consumer.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(consumer.notes.lock().last().unwrap(), "OK");
}

#[tokio::test(start_paused = true)]
async fn a_large_batch_waits_for_its_window_or_until_it_is_full() {
    let clock = Clock::simulated(BEGIN);
    let queue = MemoryQueue::new(&clock, 30 * SECOND);
    let consumer = Arc::new(MemoryConsumer::default());
    start(&queue, &consumer, settings(25, 5 * SECOND));
    queue.send("a");
    clock.sleep(4 * SECOND).await;
    assert!(consumer.batches().is_empty());
    queue.send("b");
    clock.sleep(2 * SECOND).await;
    assert_eq!(consumer.batches(), [["a", "b"]]);
    for id in 0..30 {
        queue.send(&id.to_string());
    }
    clock.sleep(SECOND).await;
    assert_eq!(consumer.batches()[1].len(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_comes_again_when_it_is_visible() {
    let clock = Clock::simulated(BEGIN);
    let queue = MemoryQueue::new(&clock, 10 * SECOND);
    let consumer = Arc::new(MemoryConsumer::default());
    consumer.poison.lock().insert("bad".to_owned());
    start(&queue, &consumer, settings(1, Duration::ZERO));
    queue.send("bad");
    queue.send("good");
    clock.sleep(9 * SECOND).await;
    assert_eq!((queue.left(), consumer.texts().len()), (1, 2));
    consumer.poison.lock().clear();
    clock.sleep(2 * SECOND).await;
    assert_eq!((queue.left(), queue.receives.lock()["bad"]), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn of_a_report_what_failed_alone_comes_again() {
    let clock = Clock::simulated(BEGIN);
    let queue = MemoryQueue::new(&clock, 10 * SECOND);
    let consumer = Arc::new(MemoryConsumer { reports: true, ..MemoryConsumer::default() });
    consumer.poison.lock().insert("bad".to_owned());
    queue.send("one");
    queue.send("bad");
    queue.send("two");
    let settings = QueueSettings { reports: true, ..settings(10, Duration::ZERO) };
    start(&queue, &consumer, settings);
    clock.sleep(SECOND).await;
    assert_eq!(queue.left(), 1);
    clock.sleep(10 * SECOND).await;
    assert_eq!(consumer.batches(), [vec!["one", "bad", "two"], vec!["bad"]]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_batch_is_tried_again_without_another_receive() {
    let clock = Clock::simulated(BEGIN);
    let queue = MemoryQueue::new(&clock, 30 * SECOND);
    let consumer = Arc::new(MemoryConsumer::default());
    for _ in 0..3 {
        consumer.answers.lock().push_back(Taken::Unreached("Rate Exceeded.".to_owned()));
    }
    queue.send("a");
    start(&queue, &consumer, settings(1, Duration::ZERO));
    clock.sleep(10 * SECOND).await;
    assert_eq!((queue.left(), queue.receives.lock()["a"]), (0, 1));
    assert_eq!(consumer.texts().len(), 4);
    assert_eq!(consumer.notes.lock()[0], "PROBLEM: Rate Exceeded.");
}

#[tokio::test(start_paused = true)]
async fn five_batches_go_at_once_and_more_by_and_by_up_to_the_most() {
    let clock = Clock::simulated(BEGIN);
    let most = async |(concurrency_max, pollers), time: Duration| {
        let queue = MemoryQueue::new(&clock, 900 * SECOND);
        for id in 0..2000 {
            queue.send(&id.to_string());
        }
        let consumer = Arc::new(MemoryConsumer {
            clock: Some(clock.clone()),
            takes: 2 * SECOND,
            ..MemoryConsumer::default()
        });
        let settings = QueueSettings { concurrency_max, pollers, ..settings(1, Duration::ZERO) };
        let stop = start(&queue, &consumer, settings);
        clock.sleep(time).await;
        stop.cancel();
        consumer.now.lock().1
    };
    assert_eq!(most((None, None), SECOND / 2).await, 5);
    let later = most((None, None), 10 * SECOND).await;
    assert!((30..=55).contains(&later), "{later}");
    assert_eq!(most((Some(2), None), 10 * SECOND).await, 2);
    assert_eq!(most((None, Some((3, 4))), SECOND / 2).await, 30);
    assert_eq!(most((None, Some((3, 4))), 10 * SECOND).await, 40);
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_finishes_what_it_has_and_takes_no_more() {
    let clock = Clock::simulated(BEGIN);
    let queue = MemoryQueue::new(&clock, 30 * SECOND);
    let consumer = Arc::new(MemoryConsumer {
        clock: Some(clock.clone()),
        takes: 3 * SECOND,
        ..MemoryConsumer::default()
    });
    let stop = start(&queue, &consumer, settings(1, Duration::ZERO));
    queue.send("a");
    clock.sleep(SECOND).await;
    stop.cancel();
    queue.send("b");
    clock.sleep(10 * SECOND).await;
    assert_eq!((consumer.texts(), queue.left()), (vec!["a".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_of_an_ordered_queue_does_not_hold_follows_it_and_none_behind_a_failure() {
    let clock = Clock::simulated(BEGIN);
    let queue = MemoryQueue::new(&clock, 30 * SECOND);
    queue.keeps_order.store(true, Ordering::Relaxed);
    for (id, group) in [("a", "g"), ("b", "g"), ("x", "h"), ("c", "g")] {
        queue.send_sized(id, group, 4 << 20);
    }
    let consumer = Arc::new(MemoryConsumer {
        clock: Some(clock.clone()),
        takes: 2 * SECOND,
        ..MemoryConsumer::default()
    });
    consumer.poison.lock().insert("b".to_owned());
    start(&queue, &consumer, settings(10, Duration::ZERO));
    clock.sleep(20 * SECOND).await;
    assert_eq!(consumer.texts(), ["a", "b", "x"]);
    consumer.poison.lock().clear();
    clock.sleep(20 * SECOND).await;
    assert_eq!(consumer.texts(), ["a", "b", "x", "b", "c"]);
    assert_eq!((queue.left(), consumer.now.lock().1), (0, 1));
}
