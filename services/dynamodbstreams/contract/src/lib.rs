//! What other rooms may know of Amazon DynamoDB Streams: its shapes, and streams as
//! sources of pollers.

pub mod model;
pub mod source;

pub use model::*;
