//! Customer records that are too many for memory: log events, metric values, queue messages,
//! items. Ordered byte keys in named keyspaces, read at once, written buffered or synced.
//!
//! A *buffered* write is visible at once and survives the death of haar, but not that of the
//! machine; a *synced* one survives both, and all that wait share one flush of the disk. A *staged*
//! one survives neither until the next of the other two, or the next [`Kv::sync`].
//!
//! **Invariant:** a batch is there as a whole or not at all, also after a crash.
//! **Invariant:** what was written before a synced batch is on disk with it.
//!
//! Begin reading at [`Kv`], then [`Keyspace`].

mod ahead;
mod batch;
mod crowd;
mod disk;
mod error;
mod group;
mod journal;
mod keyspace;
mod kv;
mod lately;
mod memory;
mod pace;
mod quiet;
mod range;
mod room;
mod syncer;
mod tallies;

pub use batch::{Batch, Durability};
pub use crowd::Crowd;
pub use error::KvError;
pub use group::{Rest, Told, Waits, Word};
pub use keyspace::Keyspace;
pub use kv::{Kv, Sizes};
pub use memory::HeldFlush;
pub use pace::Pace;
pub use range::{Entry, Range};
pub use tallies::Tallies;
