//! The room's tables.

mod bus;
mod keys;
mod rule;

use haar_ledger::Tables;

pub(crate) use bus::BusRow;
pub(crate) use keys::{BusKey, DEFAULT_BUS, RuleKey};
pub(crate) use rule::RuleRow;

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new().with::<BusRow>().with::<RuleRow>()
}
