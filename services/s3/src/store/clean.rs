//! What deleted buckets leave: uploads with their parts, and counts. A bucket is only deleted when
//! it has no objects; should there be some of a bucket that is none, they go as well.

use std::sync::Arc;
use std::time::Duration;

use haar_kv::{Batch, Entry, Keyspace, KvError};

use super::upload::PartRecord;
use super::{Place, Record, Segment, Store, decode, version};
use crate::S3;
use crate::state::BucketRow;

/// Records that are removed at a time.
const CHUNK: usize = 512;

/// How long nothing is tried after it could not be done.
const RETRY: Duration = Duration::from_secs(60);

/// The blobs that a record needs, and in whose name they are held.
type Claims = (Vec<Segment>, Vec<u8>);

impl S3 {
    /// Removes what deleted buckets left, now and whenever one was deleted; never ends.
    pub(crate) async fn keep_clean(self: Arc<Self>) {
        let mut changes = self.doors.ledger.changes();
        loop {
            if let Err(error) = self.clean().await {
                tracing::error!(%error, "could not remove what deleted buckets left");
                self.doors.clock.sleep(RETRY).await;
                continue;
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
        let store = &self.store;
        self.clear_claimed(bucket, &store.parts, of_part).await?;
        self.clear_claimed(bucket, &store.objects, of_newest).await?;
        self.clear_claimed(bucket, &store.versions, of_older).await?;
        for keyspace in [&store.bodies, &store.uploads] {
            keyspace.clear_prefix(bucket.to_be_bytes()).await?;
        }
        store.usage.clear_prefix(bucket.to_be_bytes()).await.map(drop)
    }

    async fn clear_claimed(
        self: &Arc<Self>,
        bucket: u64,
        keyspace: &Keyspace,
        claims: fn(&Entry) -> Claims,
    ) -> Result<(), KvError> {
        loop {
            let (room, keyspace) = (Arc::clone(self), keyspace.clone());
            let clear = move || room.store.clear_some(bucket, &keyspace, claims);
            if self.doors.kv.aside(clear).await? < CHUNK {
                return Ok(());
            }
        }
    }
}

impl Store {
    /// The buckets, by their ids, of which there is anything.
    fn buckets(&self) -> Result<Vec<u64>, KvError> {
        let mut ids = Vec::new();
        let Self { objects, versions, bodies, uploads, parts, usage, .. } = self;
        for keyspace in [objects, versions, bodies, uploads, parts, usage.keyspace()] {
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

    /// Removes some records of a bucket with their claims to blobs; how many.
    fn clear_some(
        &self,
        bucket: u64,
        keyspace: &Keyspace,
        claims: fn(&Entry) -> Claims,
    ) -> Result<usize, KvError> {
        let (mut batch, mut count) = (Batch::new(), 0);
        for entry in keyspace.prefix(bucket.to_be_bytes()).take(CHUNK) {
            let entry = entry?;
            let (segments, whose) = claims(&entry);
            for segment in segments {
                batch.remove(&self.held, [&segment.digest.bytes()[..], &whose].concat());
            }
            batch.remove(keyspace, entry.key);
            count += 1;
        }
        self.kv.apply(batch)?;
        Ok(count)
    }
}

fn of_part(entry: &Entry) -> Claims {
    let part = decode::<PartRecord>(&entry.value);
    (part.map(|part| part.segments).unwrap_or_default(), entry.key.to_vec())
}

fn of_newest(entry: &Entry) -> Claims {
    let record = Record::decode(&entry.value).unwrap_or_default();
    let whose = version(&entry.key, record.sequence);
    (blobs_of(record), whose)
}

fn of_older(entry: &Entry) -> Claims {
    (blobs_of(Record::decode(&entry.value).unwrap_or_default()), entry.key.to_vec())
}

fn blobs_of(record: Record) -> Vec<Segment> {
    match record.bytes {
        Place::Blobs(segments) => segments,
        Place::Nowhere | Place::Within(_) | Place::Beside => Vec::new(),
    }
}
