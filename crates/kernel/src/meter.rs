//! The door to the bill.

use haar_types::{AccountId, Region, Timestamp};

/// What one deed used, as AWS would meter it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRecord {
    /// Who pays.
    pub account: AccountId,
    /// Where it happened; prices differ by region.
    pub region: Region,
    /// When it ended.
    pub at: Timestamp,
    /// The service, by its signing name: `lambda`.
    pub service: &'static str,
    /// What was used, for the break-down: a function's name.
    pub resource: String,
    /// Metered kinds and their whole quantities, such as `("requests", 1)`,
    /// `("mb-ms/x86_64", 128_000)`.
    pub quantities: Vec<(&'static str, u64)>,
}

/// Takes metering records. Never blocks: buffered, bounded, flushed by its owner.
pub trait Meter: Send + Sync + 'static {
    /// Adds one record.
    fn record(&self, usage: UsageRecord);
}

/// Forgets all records; for tests that need no bill.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn record(&self, _usage: UsageRecord) {}
}
