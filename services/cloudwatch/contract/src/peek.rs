//! The sink for metric values that haar itself observes, such as a function's duration.

use haar_types::{AccountId, Region, Timestamp};

/// One observed value of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Whose metric.
    pub account: &'a AccountId,
    /// Where.
    pub region: &'a Region,
    /// Such as `AWS/Lambda`.
    pub namespace: &'a str,
    /// Such as `Duration`.
    pub metric: &'a str,
    /// Name and value; their order is of no account.
    pub dimensions: &'a [(&'a str, &'a str)],
    /// A `StandardUnit`: `Count`, `Milliseconds`, `Bytes`, … or `None`.
    pub unit: &'a str,
    /// The value; not NaN, not infinite.
    pub value: f64,
    /// When it was observed.
    pub at: Timestamp,
}

/// Takes metric values from other rooms, off the path of any request.
pub trait MetricSink: Send + Sync {
    /// Adds one value to its metric's statistics. Never blocks.
    fn record(&self, sample: Sample<'_>);
}
