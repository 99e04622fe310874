//! Contract of the iam room: generated model, roles and sessions.

pub mod model;
pub mod passing;
pub mod peek;
pub mod sender;

pub use model::*;
