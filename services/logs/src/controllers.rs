//! What the room does by itself.

mod sweeper;

pub use sweeper::Sweeper;
