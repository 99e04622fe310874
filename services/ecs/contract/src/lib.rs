//! Contract of the ecs room: generated model.

pub mod model;

pub use model::*;
