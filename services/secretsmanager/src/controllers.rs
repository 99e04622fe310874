//! What the room does by itself.

mod deletions;
mod rotations;

pub use deletions::Deletions;
pub use rotations::Rotations;
