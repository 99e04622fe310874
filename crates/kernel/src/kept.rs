//! What was read of customers' texts: patterns, policies.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// What takes longer to read than to use, by what it was read of. Where more come than are kept,
/// all are forgotten and read again.
#[derive(Debug)]
pub struct Kept<K, V> {
    most: usize,
    known: Mutex<BTreeMap<K, Arc<V>>>,
}

impl<K: Ord, V> Kept<K, V> {
    /// Nothing yet; `most` are kept.
    pub fn new(most: usize) -> Self {
        Self { most, known: Mutex::default() }
    }

    /// What is kept of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.known.lock().get(key).map(Arc::clone)
    }

    /// Keeps what was read of a key, while no lock was held.
    pub fn keep(&self, key: K, value: V) -> Arc<V> {
        let (value, mut known) = (Arc::new(value), self.known.lock());
        if known.len() >= self.most {
            known.clear();
        }
        known.insert(key, Arc::clone(&value));
        value
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.known.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_kept_than_may_be() {
        let kept = Kept::new(2);
        for number in 0..5 {
            assert_eq!(*kept.keep(number.to_string(), number), number);
            assert_eq!(kept.get(number.to_string().as_str()).as_deref(), Some(&number));
            assert!(kept.known.lock().len() <= 2);
        }
        kept.clear();
        assert!(kept.get("4").is_none());
    }
}
