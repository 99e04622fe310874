//! What the room does by itself.

mod deletions;
mod replicas;
mod rotations;

pub use deletions::Deletions;
pub use replicas::Replicas;
pub use rotations::Rotations;
