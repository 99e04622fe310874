//! What other rooms may know of AWS Systems Manager: its shapes, and parameters' values.

pub mod model;
pub mod peek;

pub use model::*;
