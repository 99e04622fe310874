//! What other rooms may know of CloudWatch: its shapes, and the sink for metric values.

pub mod model;
pub mod peek;

pub use model::*;
