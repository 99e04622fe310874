//! Pure rules: names, policies, filters.

pub(crate) mod filter;
pub(crate) mod name;
pub(crate) mod policy;
