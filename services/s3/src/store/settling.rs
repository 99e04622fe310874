//! Which changes the disk has.
//!
//! A change is visible at once, and acknowledged when it is on disk. Whoever else sees it before
//! waits for a flush of his own: nobody is told of what a crash could take back. Changes draw
//! numbers; who looks compares the last one of what he looked at with the last one on disk.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use haar_wire::AwsError;

use super::Store;
use crate::refusal;

/// Keys that are told apart, about.
const KEYS: usize = 4096;
/// Buckets likewise.
const BUCKETS: usize = 64;

/// What was changed last of each key and bucket, and what is on disk.
pub(crate) struct Settling {
    drawn: AtomicU64,
    settled: AtomicU64,
    keys: Vec<Mark>,
    buckets: Vec<Mark>,
}

/// Of the keys, or buckets, that share one.
#[derive(Default)]
struct Mark {
    /// Changes that may be visible and have no number yet.
    under_way: AtomicU32,
    last: AtomicU64,
}

/// Where somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Key(usize),
    Bucket(usize),
}

/// A change that is becoming visible.
pub(super) struct Showing<'a> {
    settling: &'a Settling,
    marks: [&'a Mark; 2],
}

impl Default for Settling {
    fn default() -> Self {
        let marks = |count| (0..count).map(|_| Mark::default()).collect();
        let (drawn, settled) = Default::default();
        Self { drawn, settled, keys: marks(KEYS), buckets: marks(BUCKETS) }
    }
}

impl Sight {
    /// A key with its versions and uploads.
    pub(crate) fn of_key(bucket: u64, key: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        Self::Key((hasher.finish() % KEYS as u64) as usize)
    }

    /// All keys of a bucket.
    pub(crate) fn of_bucket(bucket: u64) -> Self {
        Self::Bucket((bucket % BUCKETS as u64) as usize)
    }
}

impl Settling {
    /// Before a change becomes visible; what is answered is dropped once it is.
    pub(super) fn show(&self, bucket: u64, key: &str) -> Showing<'_> {
        let marks = [Sight::of_key(bucket, key), Sight::of_bucket(bucket)].map(|at| self.mark(at));
        for mark in marks {
            mark.under_way.fetch_add(1, Ordering::SeqCst);
        }
        Showing { settling: self, marks }
    }

    fn mark(&self, sight: Sight) -> &Mark {
        match sight {
            Sight::Key(at) => &self.keys[at],
            Sight::Bucket(at) => &self.buckets[at],
        }
    }

    /// Whether all that could be seen there before is on disk.
    fn is_settled(&self, sight: Sight) -> bool {
        let mark = self.mark(sight);
        mark.under_way.load(Ordering::SeqCst) == 0
            && mark.last.load(Ordering::SeqCst) <= self.settled.load(Ordering::SeqCst)
    }
}

impl Drop for Showing<'_> {
    fn drop(&mut self) {
        let number = self.settling.drawn.fetch_add(1, Ordering::SeqCst) + 1;
        for mark in self.marks {
            mark.last.fetch_max(number, Ordering::SeqCst);
            mark.under_way.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Store {
    /// Waits until all that was changed is on disk.
    pub(crate) async fn sync(&self) -> Result<(), AwsError> {
        let last = self.settling.drawn.load(Ordering::SeqCst);
        self.kv.sync().await.map_err(|error| refusal::disk(&error))?;
        self.settling.settled.fetch_max(last, Ordering::SeqCst);
        Ok(())
    }

    /// What somebody saw there, or was refused for it, once it is on disk.
    pub(crate) async fn seen<T>(
        &self,
        sight: Sight,
        outcome: Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        if !self.settling.is_settled(sight) {
            self.sync().await?;
        }
        outcome
    }

    /// What came of a change, where it was refused once the disk has all that it saw: what refuses
    /// it may be another's change that is on its way there.
    pub(crate) async fn settled<T>(&self, outcome: Result<T, AwsError>) -> Result<T, AwsError> {
        if outcome.is_err() {
            self.sync().await?;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_flushed_is_not_settled_for_its_key_and_its_bucket() {
        let settling = Settling::default();
        let (key, bucket) = (Sight::of_key(7, "a"), Sight::of_bucket(7));
        let other = (0..).map(|count| Sight::of_key(7, &format!("b{count}")));
        let other = other.into_iter().find(|other| *other != key).unwrap();
        assert!(settling.is_settled(key) && settling.is_settled(bucket));

        let showing = settling.show(7, "a");
        assert!(!settling.is_settled(key) && !settling.is_settled(bucket));
        assert!(settling.is_settled(other) && settling.is_settled(Sight::of_bucket(8)));
        drop(showing);
        assert!(!settling.is_settled(key), "visible, and not on disk");

        settling.settled.store(settling.drawn.load(Ordering::SeqCst), Ordering::SeqCst);
        assert!(settling.is_settled(key) && settling.is_settled(bucket));
    }
}
