//! The room's tables.

mod archive;
mod bus;
mod connection;
mod keys;
mod rule;

use haar_ledger::Tables;

pub(crate) use archive::{ArchiveRow, GoneRow, NameKey, ReplayRow};
pub(crate) use bus::BusRow;
pub(crate) use connection::{ConnectionRow, DestinationRow};
pub(crate) use keys::{BusKey, DEFAULT_BUS, RuleKey};
pub(crate) use rule::RuleRow;

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    let tables = Tables::new().with::<BusRow>().with::<RuleRow>();
    let tables = tables.with::<ArchiveRow>().with::<GoneRow>().with::<ReplayRow>();
    tables.with::<ConnectionRow>().with::<DestinationRow>()
}
