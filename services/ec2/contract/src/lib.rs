//! What other rooms may know of Amazon EC2: its shapes, and networks for what they run.

pub mod model;
pub mod peek;

pub use model::*;
