//! Streams: records that stay where they are, read shard by shard, with checkpoints of how far.

mod backlog;
mod checkpoint;
mod gather;
mod lane;
mod poller;
mod reader;

use std::time::Duration;

use futures_util::future::BoxFuture;
use haar_types::Timestamp;
use tokio::sync::watch;

use crate::rules::batch::Bounds;
use crate::rules::retry;
use crate::{Item, SourceError};

pub use checkpoint::Checkpoints;
pub use poller::poll_stream;

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFacts {
    /// Its id.
    pub id: String,
    /// The shards that it came from.
    pub parents: Vec<String>,
}

/// Where reading begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// With the oldest record that is kept.
    Horizon,
    /// With the first record that comes from now on.
    Latest,
    /// With the first record of this time or later.
    At(Timestamp),
    /// Behind this sequence number.
    After(String),
}

/// Some of a shard's records.
#[derive(Clone, Debug, Default)]
pub struct Portion {
    /// In their order.
    pub items: Vec<Item>,
    /// The place behind them; `None` at the end of a shard that takes no more.
    pub next: Option<String>,
}

/// A stream of shards.
pub trait Stream: Send + Sync + 'static {
    /// The shards that are there.
    fn shards(&self) -> BoxFuture<'_, Result<Vec<ShardFacts>, SourceError>>;

    /// A place in a shard.
    fn place<'a>(
        &'a self,
        shard: &'a str,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<String, SourceError>>;

    /// Reads from a place, so many records at most.
    fn read<'a>(
        &'a self,
        shard: &'a str,
        place: &'a str,
        most: usize,
    ) -> BoxFuture<'a, Result<Portion, SourceError>>;

    /// Changes when there is something new to read, or to know of shards.
    fn grown(&self) -> Option<watch::Receiver<u64>>;

    /// Which of the streams that have had its name it is now; `None` where it is gone, and where
    /// no other may have its name. Another's checkpoints mean nothing to it.
    fn incarnation(&self) -> Option<u64> {
        None
    }

    /// What [`Position::Latest`] stands for at this moment, so that it can be kept: a restart
    /// before the first record must not pass over any.
    fn latest(&self, shard: &str) -> Position;

    /// True where [`Stream::read`] itself waits for what is new.
    fn pushes(&self) -> bool {
        false
    }
}

/// How a stream is polled.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// Where reading begins.
    pub position: Position,
    /// What bounds a batch.
    pub bounds: Bounds,
    /// How failures are treated.
    pub retry: retry::Settings,
    /// Batches of one shard at once.
    pub lanes: usize,
    /// The length of tumbling windows.
    pub window: Option<Duration>,
    /// Documented waits are divided by this.
    pub wait_divisor: u32,
}
