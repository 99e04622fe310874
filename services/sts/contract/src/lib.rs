//! Contract of the sts room: generated model, peeks, events.

pub mod model;

pub use model::*;
