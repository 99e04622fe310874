//! Polls queues and streams on somebody's behalf: batches for a function, a pipe's records.
//!
//! Contracts of services say where records come from ([`Queue`], [`Stream`]), on whose behalf
//! ([`Errand`]), and a room who takes them ([`Consumer`]); how batches are gathered, retried, split and given up, how far a stream was
//! read and how many batches may be on their way is decided here, by pure [`rules`].
//!
//! **Invariant:** a record is deleted, or passed over, only after its consumer has answered, a
//! filter has dropped it or it was given up and whoever is to be told was told. So nothing is
//! lost by a crash at any moment; what was answered may come again. **Invariant:** batches of
//! one shard's lane go one after another, and a shard's begin when its parents' have ended.
//!
//! Begin reading at [`poll_queue`], then [`poll_stream`].

mod consumer;
mod errand;
mod filter;
mod item;
pub mod letters;
mod queue;
pub mod rules;
mod stream;

pub use consumer::{Consumer, Delivery, Discarded, Taken, WindowFacts};
pub use errand::{Errand, Identity, Reader};
pub use filter::Filters;
pub use item::Item;
pub use queue::{Queue, QueueSettings, poll_queue};
pub use stream::{Checkpoints, Portion, Position, ShardFacts, Stream, StreamSettings, poll_stream};

/// Why a source did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It is not there, or not to be read: in words for the customer.
    #[error("{0}")]
    Refused(String),
    /// The same may succeed later.
    #[error("{0}")]
    Transient(String),
    /// The place that was asked for is no longer good; ask anew from what was done last.
    #[error("the place in the shard is no longer good")]
    Expired,
}
