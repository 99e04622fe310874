//! What other rooms may know of Amazon DynamoDB Streams: its shapes.

pub mod model;

pub use model::*;
