//! What the room does by itself.

mod deletions;

pub use deletions::Deletions;
