//! Pages of log events: one stream forward and backward, and many streams interleaved.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;

use haar_kv::KvError;
use haar_types::Timestamp;

use crate::events::{EventStore, StoredEvent, StreamId};
use crate::rules::filter_pattern::FilterPattern;
use crate::rules::position::{Direction, Position};

/// Most bytes of messages in one page.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Most events that one page of a filter looks at; the next token leads on. *Ours*.
const SCAN_COUNT_MAX: usize = 200_000;

/// A span of time; the end is excluded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

impl Times {
    fn bounds(self) -> (Position, Position) {
        (Position::start_of(self.start), Position::start_of(self.end))
    }
}

/// One page of a stream, with where the pages behind and before it begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StreamPage {
    /// In ascending order.
    pub(crate) events: Vec<StoredEvent>,
    /// The next page forward has events behind this one.
    pub(crate) forward: Position,
    /// The next page backward has events before this one.
    pub(crate) backward: Position,
}

/// Reads a page of one stream. AWS docs: *CloudWatch Logs API Reference > GetLogEvents*.
pub(crate) fn stream_page(
    store: &EventStore,
    id: StreamId,
    times: Times,
    (direction, from): (Direction, Option<Position>),
    limit: usize,
) -> Result<StreamPage, KvError> {
    let (start, end) = times.bounds();
    let events = match direction {
        Direction::Forward => {
            let low = match from {
                Some(from) if from >= start => Bound::Excluded(from),
                _ => Bound::Included(start),
            };
            take_page(store.range(id, (low, Bound::Excluded(end))), limit)?
        }
        Direction::Backward => {
            let end = from.map_or(end, |from| from.min(end));
            let newest_first = store.range(id, start..end).rev();
            let mut events = take_page(newest_first, limit)?;
            events.reverse();
            events
        }
    };
    // Without events both tokens stay where they were, and a later page may find more there.
    let stays = from.unwrap_or(start);
    let forward = events.last().map_or(stays, |event| event.position);
    let backward = events.first().map_or(stays, |event| event.position);
    Ok(StreamPage { events, forward, backward })
}

fn take_page(
    events: impl Iterator<Item = Result<StoredEvent, KvError>>,
    limit: usize,
) -> Result<Vec<StoredEvent>, KvError> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for event in events.take(limit) {
        let event = event?;
        bytes += event.message.len();
        if bytes > PAGE_BYTES_MAX && !page.is_empty() {
            break;
        }
        page.push(event);
    }
    Ok(page)
}

/// One page of many streams.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FilteredPage {
    /// By time, then by arrival, each with the index of its stream.
    pub(crate) events: Vec<(usize, StoredEvent)>,
    /// The last event that was looked at, if there may be more behind it.
    pub(crate) next: Option<Position>,
}

/// Reads a page of many streams. AWS docs: *CloudWatch Logs API Reference > FilterLogEvents*.
pub(crate) fn filtered_page(
    store: &EventStore,
    streams: &[StreamId],
    times: Times,
    from: Option<Position>,
    (pattern, limit): (&FilterPattern, usize),
) -> Result<FilteredPage, KvError> {
    let (start, end) = times.bounds();
    let low = match from {
        Some(from) if from >= start => Bound::Excluded(from),
        _ => Bound::Included(start),
    };
    let mut merge = Merge::default();
    for (index, id) in streams.iter().enumerate() {
        merge.add(index, Box::new(store.range(*id, (low, Bound::Excluded(end)))))?;
    }
    let (mut page, mut bytes, mut scanned, mut last) = (FilteredPage::default(), 0, 0, None);
    while let Some((index, event)) = merge.next()? {
        if pattern.matches(&event.message) {
            bytes += event.message.len();
            if bytes > PAGE_BYTES_MAX && !page.events.is_empty() {
                page.next = last;
                return Ok(page);
            }
            last = Some(event.position);
            page.events.push((index, event));
        } else {
            last = Some(event.position);
        }
        scanned += 1;
        if page.events.len() >= limit || scanned >= SCAN_COUNT_MAX {
            page.next = if merge.is_done() { None } else { last };
            return Ok(page);
        }
    }
    Ok(page)
}

type Events = Box<dyn Iterator<Item = Result<StoredEvent, KvError>>>;

/// Several ordered streams as one.
#[derive(Default)]
struct Merge {
    /// The next event of each stream, the earliest on top.
    heads: BinaryHeap<Reverse<(Position, usize)>>,
    streams: Vec<(Option<StoredEvent>, Events)>,
    indexes: Vec<usize>,
}

impl Merge {
    fn add(&mut self, index: usize, mut events: Events) -> Result<(), KvError> {
        let Some(head) = events.next().transpose()? else { return Ok(()) };
        self.heads.push(Reverse((head.position, self.streams.len())));
        self.streams.push((Some(head), events));
        self.indexes.push(index);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.heads.is_empty()
    }

    fn next(&mut self) -> Result<Option<(usize, StoredEvent)>, KvError> {
        let Some(Reverse((_, slot))) = self.heads.pop() else { return Ok(None) };
        let (head, events) = &mut self.streams[slot];
        let event = head.take();
        if let Some(following) = events.next().transpose()? {
            self.heads.push(Reverse((following.position, slot)));
            *head = Some(following);
        }
        Ok(event.map(|event| (self.indexes[slot], event)))
    }
}

#[cfg(test)]
mod tests;
