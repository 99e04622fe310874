//! Who takes batches.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_types::Timestamp;
use serde_json::Value;

use crate::Item;

/// A tumbling window, as its consumer is told.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowFacts {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends; no record of it is younger.
    pub end: Timestamp,
    /// What the consumer answered last.
    pub state: Value,
    /// All of its records were given.
    pub is_final: bool,
    /// It ends before its time.
    pub is_terminated_early: bool,
}

/// A batch on its way.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The records; none at the end of a window.
    pub items: &'a [Item],
    /// The shard, for streams.
    pub shard: Option<&'a str>,
    /// The window, where there is one.
    pub window: Option<&'a WindowFacts>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// The consumer answered; and what is known of the attempt, for whoever is told when the
    /// batch is given up.
    Answered(Bytes, Value),
    /// It failed; and what is known of the attempt.
    Failed(Value),
    /// It was not reached: throttled, or not there.
    Unreached(String),
    /// The attempt was cut short by haar's own end: it says nothing.
    Cut,
}

/// A batch that is given up.
#[derive(Clone, Copy, Debug)]
pub struct Discarded<'a> {
    /// The records.
    pub items: &'a [Item],
    /// Their shard.
    pub shard: &'a str,
    /// `RetryAttemptsExhausted`, `RecordAgeExceeded`.
    pub condition: &'a str,
    /// How often the consumer had them.
    pub attempt_count: u32,
    /// What is known of the last attempt.
    pub last: Option<&'a Value>,
}

/// Takes batches.
pub trait Consumer: Send + Sync + 'static {
    /// Gives it a batch and waits for what becomes of it.
    fn take<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Taken>;

    /// Tells whoever is to hear of a stream's batch that is given up. It is on disk there when
    /// this resolves, or was refused for good.
    fn discard<'a>(&'a self, discarded: Discarded<'a>) -> BoxFuture<'a, ()>;

    /// Hears how the last batch, or the last look at the source, ended.
    fn note(&self, result: &str);

    /// Hears of records that were read, and dropped by filters.
    fn count(&self, read: usize, dropped: usize) {
        let _ = (read, dropped);
    }
}
