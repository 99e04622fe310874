//! The room's tables.

mod archive;
mod bus;
mod keys;
mod rule;

use haar_ledger::Tables;

pub(crate) use archive::{ArchiveRow, GoneRow, NameKey, ReplayRow};
pub(crate) use bus::BusRow;
pub(crate) use keys::{BusKey, DEFAULT_BUS, RuleKey};
pub(crate) use rule::RuleRow;

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    let tables = Tables::new().with::<BusRow>().with::<RuleRow>();
    tables.with::<ArchiveRow>().with::<GoneRow>().with::<ReplayRow>()
}
