//! What reads and writes cost. AWS docs: *Developer Guide > DynamoDB read and write operations*.

use std::collections::BTreeMap;

use haar_dynamodb_contract::{Capacity, ConsumedCapacity, ReturnConsumedCapacity};

use crate::state::{Index, TableRow};

/// Bytes that one read unit covers.
const READ_BYTES: usize = 4 * 1024;

/// Bytes that one write unit covers.
const WRITE_BYTES: usize = 1024;

/// Capacity of one call on one table, in half units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Units {
    /// Of the table itself.
    pub(crate) table: u64,
    /// Of its indexes; true for global ones.
    pub(crate) indexes: BTreeMap<String, (bool, u64)>,
}

/// Halves for reading so many bytes.
pub(crate) fn read_halves(bytes: usize, is_consistent: bool) -> u64 {
    let units = bytes.div_ceil(READ_BYTES).max(1) as u64;
    if is_consistent { 2 * units } else { units }
}

/// Halves for writing so many bytes.
pub(crate) fn write_halves(bytes: usize) -> u64 {
    2 * bytes.div_ceil(WRITE_BYTES).max(1) as u64
}

impl Units {
    /// One item or one page, read from the table.
    pub(crate) fn of_read(bytes: usize, is_consistent: bool) -> Self {
        Self { table: read_halves(bytes, is_consistent), indexes: BTreeMap::new() }
    }

    /// One item, written.
    pub(crate) fn of_write(bytes: usize) -> Self {
        Self { table: write_halves(bytes), indexes: BTreeMap::new() }
    }

    /// One page, read from an index.
    pub(crate) fn of_index(index: &Index, halves: u64) -> Self {
        let indexes = BTreeMap::from([(index.name.clone(), (index.is_global, halves))]);
        Self { table: 0, indexes }
    }

    /// Adds what an index entry's write costs.
    pub(crate) fn index_write(&mut self, index: &Index, bytes: usize) {
        let entry = self.indexes.entry(index.name.clone()).or_insert((index.is_global, 0));
        entry.1 += write_halves(bytes);
    }

    /// Adds another's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.table += other.table;
        for (name, (is_global, halves)) in &other.indexes {
            self.indexes.entry(name.clone()).or_insert((*is_global, 0)).1 += halves;
        }
    }

    /// What is the table's and its local indexes', and what is each global one's.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Option<&str>, u64)> {
        let own = self.indexes.values().filter(|(is_global, _)| !is_global);
        let own = self.table + own.map(|(_, halves)| halves).sum::<u64>();
        let global = self.indexes.iter().filter(|(_, (is_global, _))| *is_global);
        let global = global.map(|(name, (_, halves))| (Some(name.as_str()), *halves));
        std::iter::once((None, own)).chain(global).filter(|(_, halves)| *halves > 0)
    }

    /// Transactions cost twice.
    #[must_use]
    pub(crate) fn doubled(mut self) -> Self {
        self.table *= 2;
        self.indexes.values_mut().for_each(|(_, halves)| *halves *= 2);
        self
    }

    /// All of it, in halves.
    pub(crate) fn total(&self) -> u64 {
        self.table + self.indexes.values().map(|(_, halves)| halves).sum::<u64>()
    }

    /// As the answer shows it, where the caller asked.
    pub(crate) fn shown(
        &self,
        table: &TableRow,
        asked: Option<ReturnConsumedCapacity>,
    ) -> Option<ConsumedCapacity> {
        let asked = asked.filter(|asked| *asked != ReturnConsumedCapacity::None)?;
        let mut shown = ConsumedCapacity {
            table_name: Some(table.name().to_owned()),
            capacity_units: Some(units(self.total())),
            ..ConsumedCapacity::default()
        };
        if asked == ReturnConsumedCapacity::Indexes {
            shown.table = Some(capacity(self.table));
            shown.global_secondary_indexes = self.of(true);
            shown.local_secondary_indexes = self.of(false);
        }
        Some(shown)
    }

    fn of(&self, global: bool) -> Option<BTreeMap<String, Capacity>> {
        let all = self.indexes.iter().filter(|(_, (is_global, _))| *is_global == global);
        let all: BTreeMap<_, _> =
            all.map(|(name, (_, halves))| (name.clone(), capacity(*halves))).collect();
        (!all.is_empty()).then_some(all)
    }
}

/// Whether a call reads or writes, for answers that tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Names the units of a transaction by their direction.
#[must_use]
pub(crate) fn directed(mut shown: ConsumedCapacity, direction: Direction) -> ConsumedCapacity {
    let set = |total: Option<f64>, read: &mut Option<f64>, write: &mut Option<f64>| {
        match direction {
            Direction::Read => *read = total,
            Direction::Write => *write = total,
        };
    };
    set(shown.capacity_units, &mut shown.read_capacity_units, &mut shown.write_capacity_units);
    let parts = shown.table.iter_mut();
    let parts =
        parts.chain(shown.global_secondary_indexes.iter_mut().flat_map(|all| all.values_mut()));
    for part in
        parts.chain(shown.local_secondary_indexes.iter_mut().flat_map(|all| all.values_mut()))
    {
        set(part.capacity_units, &mut part.read_capacity_units, &mut part.write_capacity_units);
    }
    shown
}

fn capacity(halves: u64) -> Capacity {
    Capacity { capacity_units: Some(units(halves)), ..Capacity::default() }
}

/// Units out of halves.
pub(crate) fn units(halves: u64) -> f64 {
    halves as f64 / 2.0
}
