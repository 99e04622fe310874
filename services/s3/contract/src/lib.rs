//! What other rooms may know of Amazon S3: its shapes, and objects by bucket and key.

pub mod model;
pub mod peek;

pub use model::*;
