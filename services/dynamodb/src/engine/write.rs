//! Changing items: read, decide, write, in one hold of the lock.

use std::sync::Arc;

use haar_kv::KvError;
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::staging::Turn;
use super::{Engine, Locks, Staging, item_key};
use crate::capacity::{Direction, Units};
use crate::refusal::{self, fault, invalid};
use crate::rules::codec;
use crate::rules::schema::PrimaryKey;
use crate::rules::value::{Item, item_size};
use crate::state::{TableKey, TableRow};
use crate::streams::Event;
use crate::usage::Counted;

/// Bytes of an item at most.
pub(crate) const ITEM_BYTES_MAX: usize = 400 * 1024;

/// What a decision comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// The item is to be this.
    Put(Item),
    /// The item is to go.
    Remove,
    /// All stays as it is.
    Keep,
}

/// Who changes an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A customer.
    Caller,
    /// Its time to live.
    TimeToLive,
}

/// One item that is to be changed.
pub(crate) struct Intent<'a> {
    pub(crate) table: &'a TableKey,
    pub(crate) key: &'a PrimaryKey,
    pub(crate) actor: Actor,
}

/// What was done to an item.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) table: Arc<TableRow>,
    pub(crate) old: Option<Item>,
    pub(crate) new: Option<Item>,
    pub(crate) units: Units,
}

impl Engine {
    /// Reads an item as it is now.
    pub(crate) fn get(&self, table: u64, key: &[u8]) -> Result<Option<Item>, AwsError> {
        let found = self.spaces.items.get(item_key(table, key));
        let found = found.map_err(|error| fault(&error))?;
        found.map(|bytes| codec::decode(bytes).ok_or_else(unreadable)).transpose()
    }

    /// Changes one item as `decide` says, which sees it as it is. Not on disk yet.
    pub(crate) fn write(
        &self,
        intent: &Intent<'_>,
        now: Timestamp,
        decide: impl FnOnce(&TableRow, Option<&Item>) -> Result<Change, AwsError>,
    ) -> Result<Written, AwsError> {
        // the shard is found by the table's id, which never changes while it has its name
        let id = self.table(intent.table)?.id;
        let shard = Locks::shard(id, &intent.key.bytes);
        let _held = self.locks.lock(shard);
        let table = self.table(intent.table)?;
        if table.id != id {
            return Err(refusal::no_table());
        }
        let mut staging = Staging::default();
        let old = self.get(id, &intent.key.bytes)?;
        let change = match decide(&table, old.as_ref()) {
            Err(error) if error.name() == "ConditionalCheckFailedException" => {
                let units = Units::of_write(old.as_ref().map_or(0, item_size));
                self.throttle.take(&table, Direction::Write, &units, now)?; // it costs as well
                self.usage.add(&table, Direction::Write, &units);
                self.usage.count(&table, Counted::ConditionFailed);
                return Err(error);
            }
            decided => decided?,
        };
        let (written, event) = self.stage(&mut staging, table, intent, (old, change), now)?;
        if intent.actor == Actor::Caller {
            self.throttle.take(&written.table, Direction::Write, &written.units, now)?;
        }
        self.apply(staging, event.into_iter().collect(), now).map_err(|error| fault(&error))?;
        Ok(written)
    }

    /// Puts one change into a batch, if the table takes it. The shard's lock is held.
    pub(crate) fn stage(
        &self,
        staging: &mut Staging,
        table: Arc<TableRow>,
        intent: &Intent<'_>,
        (old, change): (Option<Item>, Change),
        now: Timestamp,
    ) -> Result<(Written, Option<Event>), AwsError> {
        if let Change::Put(item) = &change {
            check(&table, item)?;
        }
        Ok(self.stage_unchecked(staging, table, intent, (old, change), now))
    }

    /// The same for an item that the table may hold though nobody may put it: one that is older
    /// than an index, and has the index's key with another type.
    pub(crate) fn stage_unchecked(
        &self,
        staging: &mut Staging,
        table: Arc<TableRow>,
        intent: &Intent<'_>,
        (old, change): (Option<Item>, Change),
        now: Timestamp,
    ) -> (Written, Option<Event>) {
        let new = match change {
            Change::Put(item) => Some(item),
            Change::Remove => None,
            Change::Keep => {
                let size = old.as_ref().map_or(0, item_size);
                let written =
                    Written { table, new: old.clone(), old, units: Units::of_write(size) };
                return (written, None);
            }
        };
        if old.is_none() && new.is_none() {
            return (Written { table, old, new, units: Units::of_write(0) }, None);
        }
        let shard = Locks::shard(table.id, &intent.key.bytes);
        let (before, after) = (old.as_ref(), new.as_ref());
        let turn = Turn { table: &table, key: intent.key, shard, old: before, new: after };
        let units = staging.turn(self, &turn);
        if before != after && !table.captures.is_empty() {
            let images = (before, after);
            let captured = self.capture(&mut staging.batch, &table, intent, images, now);
            staging.captured.extend(captured);
        }
        let event = table
            .live_stream()
            .filter(|_| before != after)
            .map(|stream| Event::of(&table, stream, intent, (before, after), now));
        (Written { table, old, new, units }, event)
    }

    /// Writes a batch with its stream records, which get their numbers now.
    pub(crate) fn apply(
        &self,
        staging: Staging,
        events: Vec<Event>,
        now: Timestamp,
    ) -> Result<(), KvError> {
        match events.is_empty() {
            true => staging.apply(self),
            false => self.streams.commit(events, now, staging, self),
        }
    }
}

/// What a table asks of its items.
pub(crate) fn check(table: &TableRow, item: &Item) -> Result<(), AwsError> {
    if item_size(item) > ITEM_BYTES_MAX {
        return Err(invalid("Item size has exceeded the maximum allowed size"));
    }
    for index in table.written_indexes() {
        index.keys.check_index(&index.name, item)?;
    }
    Ok(())
}

fn unreadable() -> AwsError {
    tracing::error!("an item on disk could not be read");
    AwsError::new("InternalServerError", 500, "Internal server error")
}
