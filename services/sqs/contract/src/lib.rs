//! What other rooms may know of Amazon SQS: its shapes.

pub mod model;

pub use model::*;
