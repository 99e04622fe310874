//! Pure rules of CloudWatch metrics.

pub(crate) mod digest;
pub(crate) mod insights;
pub(crate) mod label;
pub(crate) mod math;
pub(crate) mod period;
pub(crate) mod search;
pub(crate) mod statistic;
pub(crate) mod unit;
