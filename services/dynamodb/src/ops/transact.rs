//! `TransactGetItems` and `TransactWriteItems`.

mod get;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_dynamodb_contract::{ConsumedCapacity, ReturnConsumedCapacity};

use crate::Dynamodb;
use crate::capacity::{Direction, Units, directed};
use crate::state::{TableKey, TableRow};

pub(crate) use write::{cancelled, check_distinct, digest, repeated};

impl Dynamodb {
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
            self.usage.add(table, direction, units);
            shown.extend(units.shown(table, asked).map(|one| directed(one, direction)));
        }
        (!shown.is_empty()).then_some(shown)
    }
}
