//! Ranges of records.

use std::ops::{Bound, RangeBounds};

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
}

enum Source {
    Nothing,
    Disk(fjall::Iter),
    Memory { map: OrdMap<Bytes, Bytes>, low: Bound<Bytes>, high: Bound<Bytes> },
}

impl Range {
    pub(crate) fn nothing() -> Self {
        Self { source: Source::Nothing }
    }

    pub(crate) fn on_disk(iter: fjall::Iter) -> Self {
        Self { source: Source::Disk(iter) }
    }

    pub(crate) fn in_memory(
        map: OrdMap<Bytes, Bytes>,
        low: Bound<Bytes>,
        high: Bound<Bytes>,
    ) -> Self {
        Self { source: Source::Memory { map, low, high } }
    }
}

impl Iterator for Range {
    type Item = Result<Entry, KvError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::Nothing => None,
            Source::Disk(iter) => iter.next().map(read),
            Source::Memory { map, low, high } => {
                if holds_nothing(low, high) {
                    return None;
                }
                let (key, value) = map.range((low.clone(), high.clone())).next()?;
                *low = Bound::Excluded(key.clone());
                Some(Ok(Entry { key: key.clone(), value: value.clone() }))
            }
        }
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::Nothing => None,
            Source::Disk(iter) => iter.next_back().map(read),
            Source::Memory { map, low, high } => {
                if holds_nothing(low, high) {
                    return None;
                }
                let (key, value) = map.range((low.clone(), high.clone())).next_back()?;
                *high = Bound::Excluded(key.clone());
                Some(Ok(Entry { key: key.clone(), value: value.clone() }))
            }
        }
    }
}

fn read(guard: fjall::Guard) -> Result<Entry, KvError> {
    let (key, value) = guard.into_inner()?;
    Ok(Entry { key: Bytes::copy_from_slice(&key), value: Bytes::copy_from_slice(&value) })
}

pub(crate) fn owned<K: AsRef<[u8]>>(bounds: &impl RangeBounds<K>) -> (Bound<Bytes>, Bound<Bytes>) {
    let own = |key: &K| Bytes::copy_from_slice(key.as_ref());
    (bounds.start_bound().map(own), bounds.end_bound().map(own))
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
