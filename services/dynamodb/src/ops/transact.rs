//! `TransactGetItems` and `TransactWriteItems`.

mod get;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_dynamodb_contract::{ConsumedCapacity, ReturnConsumedCapacity};
use haar_types::Timestamp;

use crate::Dynamodb;
use crate::capacity::{Direction, Units, directed};
use crate::rules::schema::PrimaryKey;
use crate::rules::value::item_size;
use crate::state::{TableKey, TableRow};

pub(crate) use write::{cancelled, check_distinct, digest, items_of, repeated};

impl Dynamodb {
    /// What a transaction used whose token came before: its items are read, not written. AWS docs:
    /// *API Reference > TransactWriteItems*, Idempotency.
    pub(crate) fn used_by_replay(
        &self,
        wanted: &[(TableKey, PrimaryKey)],
        now: Timestamp,
        asked: Option<ReturnConsumedCapacity>,
    ) -> Option<Vec<ConsumedCapacity>> {
        // All is written: a table that may not be read now changes nothing of that answer.
        let Ok(Ok(found)) = self.engine.get_all(wanted, now) else { return None };
        let units = found.into_iter().map(|(table, item)| {
            let size = item.as_ref().map_or(0, item_size);
            (table, Units::of_read(size, true))
        });
        self.used_by_table(units, Direction::Read, asked)
    }

    /// Notes what a transaction used, and shows it by table.
    pub(crate) fn used_by_table(
        &self,
        all: impl Iterator<Item = (Arc<TableRow>, Units)>,
        direction: Direction,
        asked: Option<ReturnConsumedCapacity>,
    ) -> Option<Vec<ConsumedCapacity>> {
        let mut tables: BTreeMap<TableKey, (Arc<TableRow>, Units)> = BTreeMap::new();
        for (table, units) in all {
            let entry = tables.entry(table.key.clone()).or_insert((table, Units::default()));
            entry.1.add(&units.doubled());
        }
        let mut shown = Vec::new();
        for (table, units) in tables.values() {
            self.engine.usage.add(table, direction, units);
            shown.extend(units.shown(table, asked).map(|one| directed(one, direction)));
        }
        (!shown.is_empty()).then_some(shown)
    }
}
