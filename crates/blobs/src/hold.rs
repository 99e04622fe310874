//! Blobs that are being read.

use std::collections::BTreeMap;

use crate::{Blobs, Digest};

/// How many read each blob just now.
#[derive(Debug, Default)]
pub(crate) struct Readers(BTreeMap<Digest, usize>);

impl Readers {
    /// Whether anybody reads it.
    pub(crate) fn have(&self, digest: &Digest) -> bool {
        self.0.contains_key(digest)
    }
}

/// Keeps blobs from sweeps for as long as it lives: who reads them may be slow, and whatever held
/// them may go meanwhile.
#[derive(Debug)]
pub struct Hold {
    blobs: Blobs,
    digests: Vec<Digest>,
}

impl Blobs {
    /// Keeps blobs from sweeps until the hold is dropped.
    pub fn hold(&self, digests: impl IntoIterator<Item = Digest>) -> Hold {
        let digests: Vec<Digest> = digests.into_iter().collect();
        let mut readers = self.inner.readers.lock();
        for digest in &digests {
            *readers.0.entry(*digest).or_default() += 1;
        }
        drop(readers);
        Hold { blobs: self.clone(), digests }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut readers = self.blobs.inner.readers.lock();
        for digest in &self.digests {
            let Some(count) = readers.0.get_mut(digest) else { continue };
            *count -= 1;
            if *count == 0 {
                readers.0.remove(digest);
            }
        }
    }
}
