//! Ranges of records.

use std::ops::Bound;

use bytes::Bytes;
use imbl::OrdMap;

use crate::KvError;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
}

/// Reads a range of a keyspace as it was when the range was made.
pub struct Range {
    source: Source,
    /// Length of what stands before a keyspace's own keys.
    place_len: usize,
}

pub(crate) enum Source {
    Nothing,
    Broken(KvError),
    Disk(fjall::Iter),
    Memory { map: OrdMap<Bytes, Bytes>, low: Bound<Bytes>, high: Bound<Bytes> },
}

impl Range {
    pub(crate) fn new(source: Source, place_len: usize) -> Self {
        Self { source, place_len }
    }

    fn next_of(&mut self, end: End) -> Option<Result<(Bytes, Bytes), KvError>> {
        match &mut self.source {
            Source::Nothing => None,
            Source::Broken(error) => {
                let error = error.clone();
                self.source = Source::Nothing;
                Some(Err(error))
            }
            Source::Disk(iter) => match end {
                End::Front => iter.next().map(read),
                End::Back => iter.next_back().map(read),
            },
            Source::Memory { low, high, .. } if holds_nothing(low, high) => None,
            Source::Memory { map, low, high } => {
                let mut range = map.range((low.clone(), high.clone()));
                let (key, value) = match end {
                    End::Front => range.next()?,
                    End::Back => range.next_back()?,
                };
                match end {
                    End::Front => *low = Bound::Excluded(key.clone()),
                    End::Back => *high = Bound::Excluded(key.clone()),
                }
                Some(Ok((key.clone(), value.clone())))
            }
        }
    }

    fn entry(&self, (place, value): (Bytes, Bytes)) -> Entry {
        Entry { key: place.slice(self.place_len..), value }
    }
}

#[derive(Clone, Copy)]
enum End {
    Front,
    Back,
}

impl Iterator for Range {
    type Item = Result<Entry, KvError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_of(End::Front).map(|found| found.map(|found| self.entry(found)))
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.next_of(End::Back).map(|found| found.map(|found| self.entry(found)))
    }
}

fn read(guard: fjall::Guard) -> Result<(Bytes, Bytes), KvError> {
    let (place, value) = guard.into_inner()?;
    Ok((Bytes::copy_from_slice(&place), Bytes::copy_from_slice(&value)))
}

/// The keys that begin with `prefix`: up to the prefix with its last byte that has a successor
/// raised by one.
pub(crate) fn of_prefix(prefix: &[u8]) -> (Bound<Bytes>, Bound<Bytes>) {
    let low = Bound::Included(Bytes::copy_from_slice(prefix));
    let Some(last) = prefix.iter().rposition(|byte| *byte != 0xff) else {
        return (low, Bound::Unbounded);
    };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    (low, Bound::Excluded(end.into()))
}

/// True for bounds that no key lies within; both engines would panic at them.
pub(crate) fn holds_nothing(low: &Bound<Bytes>, high: &Bound<Bytes>) -> bool {
    use Bound::{Excluded, Included, Unbounded};
    match (low, high) {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(low), Included(high)) => low > high,
        (Included(low) | Excluded(low), Excluded(high)) | (Excluded(low), Included(high)) => {
            low >= high
        }
    }
}
