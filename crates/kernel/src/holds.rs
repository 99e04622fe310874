//! Which blobs must stay.

use std::collections::BTreeSet;

use haar_blobs::Digest;
use haar_ledger::Snapshot;

/// A room that refers to blobs. Blobs that no room holds are swept away.
pub trait HoldsBlobs: Send + Sync + 'static {
    /// Adds the digests of all blobs that the room's rows refer to.
    fn held_blobs(&self, snapshot: &Snapshot, held: &mut BTreeSet<Digest>);
}
