//! One batch in the making.

use std::collections::BTreeMap;

use haar_courier::Staged;
use haar_dynamodb_contract::IndexStatus;
use haar_kv::{Batch, KvError};
use haar_types::Timestamp;

use super::entries::expiry;
use super::{Engine, index_key, item_key, moment};
use crate::capacity::Units;
use crate::rules::codec;
use crate::rules::schema::PrimaryKey;
use crate::rules::value::{Item, item_size};
use crate::state::TableRow;

/// All that is to be written at once. Counts are added up until the end.
#[derive(Default)]
pub(crate) struct Staging {
    pub(crate) batch: Batch,
    counts: BTreeMap<(u64, u32, u8), (i64, i64)>,
    /// When all of it happens, where the past is kept.
    moment: Option<Timestamp>,
    /// Whether items go, and whether any are put, or kept as they were.
    removes: bool,
    puts: bool,
    /// Records for Kinesis, in the same batch.
    pub(crate) captured: Vec<Staged>,
}

/// An item before and after.
pub(crate) struct Turn<'a> {
    pub(crate) table: &'a TableRow,
    pub(crate) key: &'a PrimaryKey,
    pub(crate) shard: u8,
    pub(crate) old: Option<&'a Item>,
    pub(crate) new: Option<&'a Item>,
}

/// A size that counts where the item is.
fn sized(size: Option<usize>) -> (i64, i64) {
    size.map_or((0, 0), |size| (1, i64::try_from(size).unwrap_or(i64::MAX)))
}

impl Staging {
    /// Takes in an item's change with all that follows from it; answers what it costs.
    pub(crate) fn turn(&mut self, engine: &Engine, turn: &Turn<'_>) -> Units {
        let Turn { table, key, old, new, .. } = turn;
        let place = item_key(table.id, &key.bytes);
        match new {
            Some(item) => self.batch.put(&engine.spaces.items, &place, codec::encode(item)),
            None => self.batch.remove(&engine.spaces.items, &place),
        }
        self.removes |= new.is_none();
        self.puts |= new.is_some() || table.keeps_past();
        let (before, after) = (old.map(item_size), new.map(item_size));
        self.count(turn, 0, before, after);
        let mut units = Units::of_write(before.unwrap_or(0).max(after.unwrap_or(0)));
        if table.keeps_past() {
            self.keep_past(engine, turn);
        }
        self.set_expiry(engine, turn);
        for index in table.written_indexes() {
            let entry = |item: &Item| index_key(table.id, index, item, &key.bytes);
            let mut had = old.and_then(entry);
            if index.status == IndexStatus::Creating {
                // what the backfill has not come to yet is not there
                had = had.filter(|key| !matches!(engine.spaces.entries.get(key), Ok(None)));
            }
            let has = new.and_then(entry);
            let size = |item: &Item| index.size_of(table, item);
            let before = old.filter(|_| had.is_some()).map(size);
            let after = new.filter(|_| has.is_some()).map(size);
            self.count(turn, index.number, before, after);
            if had != has {
                if let Some(had) = &had {
                    self.batch.remove(&engine.spaces.entries, had);
                    units.index_write(index, before.unwrap_or(0));
                }
                if let Some(has) = &has {
                    self.batch.put(&engine.spaces.entries, has, key.bytes.clone());
                    units.index_write(index, after.unwrap_or(0));
                }
            } else if has.is_some() && changed(turn, |name| index.shows(&table.keys, name)) {
                units.index_write(index, before.unwrap_or(0).max(after.unwrap_or(0)));
            }
        }
        units
    }

    fn keep_past(&mut self, engine: &Engine, turn: &Turn<'_>) {
        let place = item_key(turn.table.id, &turn.key.bytes);
        let mut past = place;
        let at = *self.moment.get_or_insert_with(|| engine.draw_moment());
        past.extend_from_slice(&moment(at));
        // of several changes in one moment, the first holds what was before
        if matches!(engine.spaces.past.get(&past), Ok(None)) {
            let before = turn.old.map(codec::encode).unwrap_or_default();
            self.batch.put(&engine.spaces.past, past, before);
        }
    }

    fn set_expiry(&mut self, engine: &Engine, turn: &Turn<'_>) {
        let Some(attribute) = &turn.table.ttl.attribute else { return };
        let place =
            |item: &Item| Some(expiry_key(turn.table.id, expiry(attribute, item)?, turn.key));
        let (had, has) = (turn.old.and_then(place), turn.new.and_then(place));
        if had != has {
            had.iter().for_each(|key| self.batch.remove(&engine.spaces.expiries, key));
            has.iter().for_each(|key| self.batch.put(&engine.spaces.expiries, key, Vec::new()));
        }
    }

    fn count(&mut self, turn: &Turn<'_>, number: u32, old: Option<usize>, new: Option<usize>) {
        self.add(turn.table.id, number, turn.shard, sized(old), sized(new));
    }

    /// Adds to the count of a table or an index.
    pub(crate) fn add(
        &mut self,
        table: u64,
        number: u32,
        shard: u8,
        (old_items, old_bytes): (i64, i64),
        (new_items, new_bytes): (i64, i64),
    ) {
        let more = (new_items - old_items, new_bytes - old_bytes);
        if more != (0, 0) {
            let sum = self.counts.entry((table, number, shard)).or_default();
            *sum = (sum.0 + more.0, sum.1 + more.1);
        }
    }

    /// Writes it; on disk after [`Engine::sync`]. The shards' locks are held.
    pub(crate) fn apply(self, engine: &Engine) -> Result<(), KvError> {
        let Self { mut batch, counts, removes, puts, captured, .. } = self;
        if removes && !puts {
            batch.free_room();
        }
        for ((table, number, shard), (items, bytes)) in counts {
            let key = [&table.to_be_bytes()[..], &number.to_be_bytes(), &[shard]].concat();
            let added = engine.spaces.counts.add(&mut batch, &key, [items, bytes]);
            added.inspect_err(|_| engine.spaces.counts.forget())?;
        }
        // not only staged: who reads it before the disk has it may act on it
        engine.kv.apply(batch).inspect_err(|_| engine.spaces.counts.forget())?;
        engine.dispatch(captured);
        Ok(())
    }
}

/// Where an item's expiry stands.
pub(crate) fn expiry_key(table: u64, second: u64, key: &PrimaryKey) -> Vec<u8> {
    [&table.to_be_bytes()[..], &second.to_be_bytes(), &key.bytes].concat()
}

/// True where an attribute of these differs.
fn changed(turn: &Turn<'_>, counts: impl Fn(&str) -> bool) -> bool {
    let (Some(old), Some(new)) = (turn.old, turn.new) else { return turn.old != turn.new };
    let gone = old.keys().any(|name| !new.contains_key(name) && counts(name));
    gone || new.iter().any(|(name, value)| old.get(name) != Some(value) && counts(name))
}
