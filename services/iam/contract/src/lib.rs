//! Contract of the iam room: generated model, peeks, events.

pub mod model;

pub use model::*;
