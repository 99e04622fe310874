//! What other rooms may know of Amazon ECR: its shapes, and how to read images.

pub mod model;
pub mod peek;

pub use model::*;
