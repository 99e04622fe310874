//! What other rooms may know of Amazon Kinesis: its shapes, when a stream has grown, and
//! streams as sources of pollers.

pub mod model;
pub mod peek;
pub mod source;

pub use model::*;
