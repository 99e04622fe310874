//! The room's rows in the ledger. Metrics themselves are in kv.

use haar_ledger::{Row, Tables};
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

/// How far the sweeper has come; there is one row at most. Writer: `controllers::sweeper`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UpkeepRow {
    /// The last sweep's time.
    pub(crate) swept_at: Timestamp,
}

impl Row for UpkeepRow {
    type Key = ();
    const TABLE: &'static str = "cloudwatch.upkeep";

    fn key(&self) {}
}

/// Adds the room's tables.
pub(crate) fn tables(tables: Tables) -> Tables {
    tables.with::<UpkeepRow>()
}
