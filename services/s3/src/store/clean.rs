//! What deleted buckets leave: uploads with their parts, and counts. A bucket is only deleted when
//! it has no objects.

use std::sync::Arc;

use haar_kv::{Batch, KvError};

use super::upload::PartRecord;
use super::{Store, decode};
use crate::S3;
use crate::state::BucketRow;

/// Parts that are removed at a time.
const CHUNK: usize = 512;

impl S3 {
    /// Removes what deleted buckets left, now and whenever one was deleted; never ends.
    pub(crate) async fn keep_clean(self: Arc<Self>) {
        let mut changes = self.doors.ledger.changes();
        loop {
            if let Err(error) = self.clean().await {
                tracing::error!(%error, "could not remove what deleted buckets left");
            }
            loop {
                let Some(changes) = changes.next().await else { return };
                if changes.lost || changes.rows::<BucketRow>().any(|(_, new)| new.is_none()) {
                    break;
                }
            }
        }
    }

    async fn clean(self: &Arc<Self>) -> Result<(), KvError> {
        let (room, kv) = (Arc::clone(self), &self.doors.kv);
        let look = move || {
            let mut ids = room.store.buckets()?;
            // asked after the list was made: a bucket has a row before it has anything else
            for row in room.doors.ledger.snapshot().all::<BucketRow>() {
                ids.retain(|id| *id != row.id);
            }
            Ok(ids)
        };
        for bucket in kv.aside(look).await? {
            self.clear(bucket).await?;
        }
        Ok(())
    }

    async fn clear(self: &Arc<Self>, bucket: u64) -> Result<(), KvError> {
        loop {
            let room = Arc::clone(self);
            if self.doors.kv.aside(move || room.store.clear_parts(bucket)).await? < CHUNK {
                break;
            }
        }
        for keyspace in [&self.store.uploads, &self.store.usage] {
            keyspace.clear_prefix(bucket.to_be_bytes()).await?;
        }
        Ok(())
    }
}

impl Store {
    /// The buckets, by their ids, of which there is an upload, a part or a count.
    fn buckets(&self) -> Result<Vec<u64>, KvError> {
        let mut ids = Vec::new();
        for keyspace in [&self.uploads, &self.parts, &self.usage] {
            let mut from = Some(0_u64);
            while let Some(first) = from {
                let next = keyspace.range(first.to_be_bytes()..).next().transpose()?;
                let Some(id) = next.and_then(|entry| entry.key.first_chunk::<8>().copied()) else {
                    break;
                };
                let id = u64::from_be_bytes(id);
                ids.push(id);
                from = id.checked_add(1);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Removes some parts of a bucket with their claims to blobs; how many.
    fn clear_parts(&self, bucket: u64) -> Result<usize, KvError> {
        let (mut batch, mut count) = (Batch::new(), 0);
        for entry in self.parts.prefix(bucket.to_be_bytes()).take(CHUNK) {
            let entry = entry?;
            if let Some(part) = decode::<PartRecord>(&entry.value) {
                for segment in &part.segments {
                    let claim = [&segment.digest.bytes()[..], &entry.key].concat();
                    batch.remove(&self.held, claim);
                }
            }
            batch.remove(&self.parts, entry.key);
            count += 1;
        }
        self.kv.apply(batch)?;
        Ok(count)
    }
}
