//! Contract of the lambda room: generated model, peeks, events.

pub mod model;

pub use model::*;
