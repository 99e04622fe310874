//! Pure functions.

pub(crate) mod input;
pub(crate) mod target;
pub(crate) mod times;
