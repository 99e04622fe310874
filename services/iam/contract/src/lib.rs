//! Contract of the iam room: generated model, roles and sessions.

pub mod model;
pub mod peek;

pub use model::*;
