//! What other rooms may know of AWS Secrets Manager: its shapes, and secrets' values.

pub mod model;
pub mod peek;

pub use model::*;
