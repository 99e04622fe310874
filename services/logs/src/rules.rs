//! Pure rules of CloudWatch Logs.

pub(crate) mod filter_pattern;
