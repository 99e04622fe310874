//! Pure functions.

pub(crate) mod auth;
pub(crate) mod event;
pub(crate) mod policy;
pub(crate) mod target;
pub(crate) mod transform;
