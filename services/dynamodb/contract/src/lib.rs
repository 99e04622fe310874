//! What other rooms may know of Amazon DynamoDB: its shapes, and tables' streams.

pub mod model;
pub mod peek;

pub use model::*;
