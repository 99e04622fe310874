//! Pure functions.

pub(crate) mod enrichment;
pub(crate) mod parameters;
pub(crate) mod report;
pub(crate) mod source;
pub(crate) mod target;
pub(crate) mod template;
