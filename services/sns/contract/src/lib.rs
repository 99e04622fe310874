//! What other rooms may know of Amazon SNS: its shapes.

pub mod model;

pub use model::*;
