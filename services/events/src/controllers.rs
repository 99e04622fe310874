//! What happens by itself.

mod archives;
mod replays;

pub use archives::{ArchiveStep, Archives};
pub use replays::{ReplayStep, Replays};
