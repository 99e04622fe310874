//! Queues: messages that are deleted when their consumer is done with them, and come back by
//! themselves when it is not.

mod poller;

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::rules::batch::Bounds;
use crate::{Item, SourceError};

pub use poller::poll_queue;

/// A queue of messages.
pub trait Queue: Send + Sync + 'static {
    /// Receives messages, `most` at most; waits so long where there are none.
    fn receive(&self, most: usize, wait: Duration)
    -> BoxFuture<'_, Result<Vec<Item>, SourceError>>;

    /// Deletes messages.
    fn delete<'a>(&'a self, items: &'a [Item]) -> BoxFuture<'a, Result<(), SourceError>>;

    /// Whether messages of one group come in order: no other of a group is received while one is
    /// on its way.
    fn keeps_order(&self) -> bool {
        false
    }

    /// How long a received message is nobody else's.
    fn visibility(&self) -> BoxFuture<'_, Duration>;
}

/// How a queue is polled.
#[derive(Clone, Copy, Debug)]
pub struct QueueSettings {
    /// What bounds a batch.
    pub bounds: Bounds,
    /// The consumer may name the messages that failed.
    pub reports: bool,
    /// Batches at once at most.
    pub concurrency_max: Option<u32>,
    /// Pollers that are provisioned, so many at least and at most.
    pub pollers: Option<(u32, u32)>,
    /// Documented waits are divided by this.
    pub wait_divisor: u32,
}
