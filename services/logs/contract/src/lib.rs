//! What other rooms may know of CloudWatch Logs: its shapes, and the sink for log lines.

pub mod model;
pub mod peek;

pub use model::*;
