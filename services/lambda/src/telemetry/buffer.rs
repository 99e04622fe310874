//! One subscriber's events on their way, bounded.

use std::collections::VecDeque;

use haar_clock::Moment;
use tokio::sync::oneshot;

use super::subscription::Buffering;

/// How much of what waits may pile up behind a listener that does not answer, as a multiple of
/// one batch. AWS docs: *Lambda Telemetry API > Configuring memory usage and buffering* (batches
/// of up to twice `maxBytes`).
const BATCHES_MAX: usize = 2;

/// Events that wait.
pub(super) struct Buffer {
    limits: Buffering,
    waiting: VecDeque<String>,
    bytes: usize,
    /// When the oldest that waits came.
    since: Option<Moment>,
    dropped: Dropped,
    flushes: Vec<oneshot::Sender<()>>,
}

/// Events that were lost since the last delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// When the next batch is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    At(Moment),
    /// When something comes.
    Never,
}

impl Buffer {
    pub(super) fn new(limits: Buffering) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            bytes: 0,
            since: None,
            dropped: Dropped::default(),
            flushes: Vec::new(),
        }
    }

    /// Takes a document, or counts it as lost.
    pub(super) fn push(&mut self, document: String, now: Moment) {
        let Buffering { items_max, bytes_max, .. } = self.limits;
        let full = self.waiting.len() >= BATCHES_MAX * items_max
            || self.bytes + document.len() > BATCHES_MAX * bytes_max;
        if full {
            self.dropped.records += 1;
            self.dropped.bytes += document.len();
            return;
        }
        self.bytes += document.len();
        self.since.get_or_insert(now);
        self.waiting.push_back(document);
    }

    /// Has all that waits sent at once; the other end hears when it was.
    pub(super) fn flush(&mut self) -> oneshot::Receiver<()> {
        let (flushed, done) = oneshot::channel();
        self.flushes.push(flushed);
        done
    }

    /// True while somebody waits for all to be sent.
    pub(super) fn is_flushing(&self) -> bool {
        !self.flushes.is_empty()
    }

    pub(super) fn due(&self, now: Moment) -> Due {
        let Some(since) = self.since else { return Due::Never };
        let at = since.after(self.limits.timeout);
        let full =
            self.waiting.len() >= self.limits.items_max || self.bytes >= self.limits.bytes_max;
        if full || self.is_flushing() || now >= at { Due::Now } else { Due::At(at) }
    }

    /// The next batch, and what was lost before its end.
    pub(super) fn take(&mut self, now: Moment) -> (Vec<String>, Dropped) {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < self.limits.items_max && bytes < self.limits.bytes_max {
            let Some(document) = self.waiting.pop_front() else { break };
            bytes += document.len();
            batch.push(document);
        }
        self.bytes -= bytes;
        self.since = (!self.waiting.is_empty()).then_some(now);
        (batch, std::mem::take(&mut self.dropped))
    }

    /// All was sent: tells those who wait for that.
    pub(super) fn all_sent(&mut self) {
        for flushed in self.flushes.drain(..) {
            let _ = flushed.send(()); // it may have waited long enough
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haar_clock::Clock;

    use super::*;

    const LIMITS: Buffering =
        Buffering { items_max: 3, bytes_max: 100, timeout: Duration::from_millis(25) };

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_due_by_count_by_size_and_by_time() {
        let clock = Clock::simulated(haar_types::Timestamp(0));
        let mut buffer = Buffer::new(LIMITS);
        assert_eq!(buffer.due(clock.moment()), Due::Never);
        let start = clock.moment();
        buffer.push("a".into(), start);
        assert_eq!(buffer.due(start), Due::At(start.after(LIMITS.timeout)));
        assert_eq!(buffer.due(start.after(LIMITS.timeout)), Due::Now);
        buffer.push("b".into(), start);
        buffer.push("c".into(), start);
        assert_eq!(buffer.due(start), Due::Now);
        assert_eq!(buffer.take(start).0, ["a", "b", "c"]);
        buffer.push("x".repeat(100), start);
        assert_eq!(buffer.due(start), Due::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_counted() {
        let now = Clock::simulated(haar_types::Timestamp(0)).moment();
        let mut buffer = Buffer::new(LIMITS);
        (0..10).for_each(|number| buffer.push(number.to_string(), now));
        let (batch, dropped) = buffer.take(now);
        assert_eq!((batch.len(), dropped), (3, Dropped { records: 4, bytes: 4 }));
        assert_eq!(buffer.due(now), Due::Now); // three more wait
        assert_eq!(buffer.take(now).1, Dropped::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_makes_all_due_and_is_told() {
        let now = Clock::simulated(haar_types::Timestamp(0)).moment();
        let mut buffer = Buffer::new(LIMITS);
        buffer.push("a".into(), now);
        let mut done = buffer.flush();
        assert_eq!(buffer.due(now), Due::Now);
        buffer.take(now);
        assert!(done.try_recv().is_err());
        buffer.all_sent();
        assert!(done.try_recv().is_ok() && !buffer.is_flushing());
    }
}
