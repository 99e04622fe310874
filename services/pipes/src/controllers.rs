//! What the room does by itself.

mod pipes;
mod probe;

pub use pipes::{PipesController, PipesStep};
