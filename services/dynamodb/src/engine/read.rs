//! Reading pages of a table or an index.

use std::ops::Bound;

use haar_wire::AwsError;

use super::{Engine, index_key};
use crate::refusal::fault;
use crate::rules::codec;
use crate::rules::schema::PrimaryKey;
use crate::rules::value::{Item, item_size};
use crate::state::{Index, TableRow};

/// Bytes that a page evaluates at most: it ends with the item that reaches them.
const PAGE_BYTES: usize = 1024 * 1024;

/// The place of an item in what is read: its key in kv behind the table's id and the index's
/// number.
pub(crate) type Position = Vec<u8>;

/// A stretch of positions.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) low: Bound<Position>,
    pub(crate) high: Bound<Position>,
    pub(crate) is_forward: bool,
}

/// What is to be read.
pub(crate) struct Reading<'a> {
    pub(crate) table: &'a TableRow,
    pub(crate) index: Option<&'a Index>,
    pub(crate) span: Span,
    /// Items evaluated at most.
    pub(crate) limit: Option<usize>,
    /// True: local indexes give the table's item, not what they hold of it.
    pub(crate) whole_items: bool,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// The items that pass the filter.
    pub(crate) items: Vec<Item>,
    /// How many were evaluated.
    pub(crate) scanned: usize,
    /// Bytes that were evaluated.
    pub(crate) bytes: usize,
    /// Bytes of items that a local index fetched from its table.
    pub(crate) fetched: Vec<usize>,
    /// The last evaluated item, where the page ended before the span.
    pub(crate) last: Option<Item>,
}

impl Span {
    /// Begins behind a position.
    pub(crate) fn after(&mut self, position: Position) {
        match self.is_forward {
            true => self.low = Bound::Excluded(position),
            false => self.high = Bound::Excluded(position),
        }
    }
}

impl Engine {
    /// Reads a page; only items that `pass` are kept.
    pub(crate) fn page(
        &self,
        reading: &Reading<'_>,
        pass: impl Fn(&Item) -> bool,
    ) -> Result<Scanned, AwsError> {
        let prefix = match reading.index {
            None => reading.table.id.to_be_bytes().to_vec(),
            Some(index) => super::index_prefix(reading.table.id, index.number),
        };
        let place = |bound: &Bound<Position>| match bound {
            Bound::Included(at) => Bound::Included([&prefix[..], at].concat()),
            Bound::Excluded(at) => Bound::Excluded([&prefix[..], at].concat()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let (mut low, mut high) = (place(&reading.span.low), place(&reading.span.high));
        if matches!(low, Bound::Unbounded) {
            low = Bound::Included(prefix.clone());
        }
        if matches!(high, Bound::Unbounded) {
            high = end_of(&prefix);
        }
        let space = match reading.index {
            None => &self.spaces.items,
            Some(_) => &self.spaces.entries,
        };
        let mut range = space.range((low, high));
        let mut page = Scanned::default();
        loop {
            let next = if reading.span.is_forward { range.next() } else { range.next_back() };
            let Some(entry) = next else { return Ok(page) };
            let entry = entry.map_err(|error| fault(&error))?;
            let item = match reading.index {
                None => codec::decode(entry.value),
                Some(index) => self.indexed(reading.table, index, &entry.key, &entry.value)?,
            };
            let Some(item) = item else { continue };
            let is_last = page.take(reading, item, &pass);
            if is_last {
                return Ok(page);
            }
        }
    }

    /// The item that an index entry stands for, if it still does.
    fn indexed(
        &self,
        table: &TableRow,
        index: &Index,
        entry: &[u8],
        base: &[u8],
    ) -> Result<Option<Item>, AwsError> {
        let item = self.get(table.id, base)?;
        Ok(item.filter(|item| index_key(table.id, index, item, base).as_deref() == Some(entry)))
    }
}

impl Scanned {
    /// Takes in one item; true when the page ends with it.
    fn take(&mut self, reading: &Reading<'_>, item: Item, pass: impl Fn(&Item) -> bool) -> bool {
        let Reading { table, index, .. } = reading;
        self.scanned += 1;
        self.bytes += index.map_or_else(|| item_size(&item), |index| index.size_of(table, &item));
        let is_last =
            reading.limit.is_some_and(|limit| self.scanned >= limit) || self.bytes >= PAGE_BYTES;
        if is_last {
            let mut key = table.keys.of(&item);
            key.extend(index.map(|index| index.keys.of(&item)).into_iter().flatten());
            self.last = Some(key);
        }
        let shown = match index {
            Some(index) if !reading.whole_items => index.project(&table.keys, item),
            Some(_) => {
                self.fetched.push(item_size(&item));
                item
            }
            None => item,
        };
        if pass(&shown) {
            self.items.push(shown);
        }
        is_last
    }
}

/// The place of an item by the keys of table and index, in what is read.
pub(crate) fn position(index: Option<&Index>, key: &Item, base: &PrimaryKey) -> Option<Position> {
    let Some(index) = index else { return Some(base.bytes.clone()) };
    let (mut bytes, _) = index.keys.bytes(key)?;
    bytes.extend_from_slice(&base.bytes);
    Some(bytes)
}

/// Behind all keys with a prefix.
pub(crate) fn end_of(prefix: &[u8]) -> Bound<Vec<u8>> {
    let Some(last) = prefix.iter().rposition(|byte| *byte != 0xff) else {
        return Bound::Unbounded;
    };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Bound::Excluded(end)
}
