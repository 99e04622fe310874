//! Pure rules: names, passwords, filters, policies.

pub(crate) mod filter;
pub(crate) mod name;
pub(crate) mod password;
pub(crate) mod policy;
pub(crate) mod schedule;
