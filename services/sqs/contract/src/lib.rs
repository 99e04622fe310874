//! What other rooms may know of Amazon SQS: its shapes, and queues as sources of pollers.

pub mod model;
pub mod source;

pub use model::*;
