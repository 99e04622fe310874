//! What other rooms may know of Amazon Kinesis: its shapes, and when a stream has grown.

pub mod model;
pub mod peek;

pub use model::*;
