//! Pure rules of CloudWatch Logs.

pub(crate) mod batch;
pub(crate) mod embedded;
pub(crate) mod filter_pattern;
pub(crate) mod group_name;
pub(crate) mod position;
pub(crate) mod retention;
