//! What one operation changes of one key.

use haar_kv::{Batch, KvError};
use haar_s3_contract::model::{BucketVersioningStatus, ObjectLockMode};
use haar_types::{AccountId, Timestamp};
use haar_wire::AwsError;

use super::locks::Locks;
use super::record::WITHIN_MAX;
use super::{Held, Manner, Place, Record, Segment, Store, Usage, key, version_id};
use crate::refusal;

/// How a bucket keeps versions; `None` before anybody asked for any.
pub(crate) type Versioning = Option<BucketVersioningStatus>;

/// Collects what is changed; nothing is written before it is applied.
pub(crate) struct Change<'a> {
    pub(crate) store: &'a Store,
    pub(crate) bucket: u64,
    pub(crate) key: &'a str,
    pub(crate) place: Vec<u8>,
    pub(crate) shard: usize,
    pub(crate) now: Timestamp,
    pub(crate) batch: Batch,
    /// Somebody hears of it before it is on disk.
    pub(crate) is_told: bool,
    usage: Usage,
}

/// What became of a version that was to be deleted.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// There was none.
    Nothing,
    /// It is gone; this is what it was.
    Version(Box<Record>),
    /// A delete marker was put on top.
    Marked(Box<Record>),
}

impl<'a> Change<'a> {
    pub(super) fn new(store: &'a Store, bucket: u64, key: &'a str, now: Timestamp) -> Self {
        let place = key::place(bucket, key);
        let shard = Locks::shard(&place);
        let (batch, usage) = Default::default();
        Self { store, bucket, key, place, shard, now, batch, is_told: false, usage }
    }

    /// The newest version, delete markers too.
    pub(crate) fn newest(&self) -> Result<Option<Record>, AwsError> {
        self.store.newest(self.bucket, self.key)
    }

    /// A version by its id, or the newest.
    pub(crate) fn find(&self, version_id: Option<&str>) -> Result<Option<Record>, AwsError> {
        self.store.find(self.bucket, self.key, version_id)
    }

    /// Makes a record the newest version, as the bucket keeps versions, and answers it.
    pub(crate) fn put(
        &mut self,
        versioning: Versioning,
        mut record: Record,
        held: Held,
    ) -> Result<Record, AwsError> {
        let newest = self.newest()?;
        let than = newest.as_ref().map_or(0, |newest| newest.sequence);
        record.sequence = self.store.next_sequence(self.now, than);
        record.modified_at = self.now;
        record.version_id = (versioning == Some(BucketVersioningStatus::Enabled)).then(|| {
            let mut chance = [0; 16];
            self.store.ids.fill(&mut chance);
            version_id(record.sequence, chance)
        });
        self.make_room(newest, record.version_id.is_none(), versioning.is_some())?;
        record.bytes = self.hold(&record, held);
        self.usage.add(&record);
        self.batch.put(&self.store.objects, &self.place, record.encode());
        Ok(record)
    }

    /// Puts in a copy of another bucket's version, under that one's id: among the versions by its
    /// sequence. One that is there already is rewritten; its bytes stay, where it is archived, and
    /// what locks it. Answers whether it is new.
    pub(crate) fn put_replica(
        &mut self,
        mut record: Record,
        held: Held,
    ) -> Result<(Record, bool), AwsError> {
        if let Some(there) = self.find(Some(record.shown_id()))? {
            record.manner.keep_locks(&there.manner, self.now);
            record.manner.headers.storage_class = there.manner.headers.storage_class;
            (record.bytes, record.superseded_at) = (there.bytes, there.superseded_at);
            record.restore = there.restore;
            self.rewrite(&record)?;
            return Ok((record, false));
        }
        let newest = self.newest()?;
        record.bytes = self.hold(&record, held);
        self.usage.add(&record);
        if newest.as_ref().is_some_and(|newest| newest.sequence > record.sequence) {
            record.superseded_at = Some(self.now);
            let at = key::version(&self.place, record.sequence);
            self.batch.put(&self.store.versions, at, record.encode());
        } else {
            self.make_room(newest, false, true)?;
            self.batch.put(&self.store.objects, &self.place, record.encode());
        }
        Ok((record, true))
    }

    /// Moves the newest version back, or off where a null version comes in its place.
    fn make_room(
        &mut self,
        newest: Option<Record>,
        for_null: bool,
        may_have_older: bool,
    ) -> Result<(), AwsError> {
        match newest {
            Some(old) if for_null && old.version_id.is_none() => self.forget(&old),
            Some(mut old) => {
                old.superseded_at = Some(self.now);
                let at = key::version(&self.place, old.sequence);
                self.batch.put(&self.store.versions, at, old.encode());
                if for_null && may_have_older {
                    self.remove_older_null()?;
                }
            }
            None => {}
        }
        Ok(())
    }

    fn remove_older_null(&mut self) -> Result<(), AwsError> {
        if let Some(null) = self.store.find_older(&self.place, "null")? {
            self.batch.remove(&self.store.versions, key::version(&self.place, null.sequence));
            self.forget(&null);
        }
        Ok(())
    }

    /// Rewrites a version in its place; its bytes stay.
    pub(crate) fn rewrite(&mut self, record: &Record) -> Result<(), AwsError> {
        let newest = self.newest()?;
        let before = match newest {
            Some(newest) if newest.sequence == record.sequence => {
                self.batch.put(&self.store.objects, &self.place, record.encode());
                Some(newest)
            }
            _ => {
                let at = key::version(&self.place, record.sequence);
                self.batch.put(&self.store.versions, at, record.encode());
                self.find(Some(record.shown_id()))?
            }
        };
        if let Some(before) = before {
            self.usage.subtract(&before); // it may change its class
            self.usage.add(record);
        }
        Ok(())
    }

    /// Deletes the object: where versions are kept, by a marker on top.
    pub(crate) fn delete(
        &mut self,
        versioning: Versioning,
        owner: &AccountId,
    ) -> Result<Deleted, AwsError> {
        if versioning.is_some() {
            let manner = Manner { owner: owner.clone(), ..Manner::default() };
            let marker = Record { is_marker: true, manner, ..Record::default() };
            let marker = self.put(versioning, marker, Held::Blobs(Vec::new()))?;
            return Ok(Deleted::Marked(Box::new(marker)));
        }
        let Some(newest) = self.newest()? else { return Ok(Deleted::Nothing) };
        self.batch.remove(&self.store.objects, &self.place);
        self.batch.free_room();
        self.forget(&newest);
        Ok(Deleted::Version(Box::new(newest)))
    }

    /// Deletes one version for good; the newest of the others comes up where it was on top.
    pub(crate) fn delete_version(
        &mut self,
        wanted: &str,
        may_bypass: bool,
    ) -> Result<Deleted, AwsError> {
        let Some(record) = self.find(Some(wanted))? else { return Ok(Deleted::Nothing) };
        refuse_locked(&record, self.now, may_bypass)?;
        let newest = self.newest()?;
        match newest.is_some_and(|newest| newest.sequence == record.sequence) {
            false => {
                let at = key::version(&self.place, record.sequence);
                self.batch.remove(&self.store.versions, at);
            }
            true => match self.store.older(&self.place).next().transpose()? {
                None => self.batch.remove(&self.store.objects, &self.place),
                Some(mut next) => {
                    let at = key::version(&self.place, next.sequence);
                    self.batch.remove(&self.store.versions, at);
                    next.superseded_at = None;
                    self.batch.put(&self.store.objects, &self.place, next.encode());
                }
            },
        }
        self.batch.free_room();
        self.forget(&record);
        Ok(Deleted::Version(Box::new(record)))
    }

    /// Writes a version's bytes, or notes that it needs their blobs.
    fn hold(&mut self, record: &Record, held: Held) -> Place {
        let at = key::version(&self.place, record.sequence);
        match held {
            Held::Inline(bytes) if bytes.is_empty() => Place::Nowhere,
            Held::Inline(bytes) if bytes.len() <= WITHIN_MAX => Place::Within(bytes),
            Held::Inline(bytes) => {
                self.batch.put(&self.store.bodies, at, bytes);
                Place::Beside
            }
            Held::Blobs(segments) if segments.is_empty() => Place::Nowhere,
            Held::Blobs(segments) => {
                self.hold_blobs(&segments, &at);
                Place::Blobs(segments)
            }
        }
    }

    /// Notes that somebody needs blobs.
    pub(super) fn hold_blobs(&mut self, segments: &[Segment], whose: &[u8]) {
        for segment in segments {
            self.batch.put(&self.store.held, held_key(segment, whose), Vec::new());
        }
    }

    pub(super) fn let_blobs_go(&mut self, segments: &[Segment], whose: &[u8]) {
        for segment in segments {
            self.batch.remove(&self.store.held, held_key(segment, whose));
        }
    }

    /// Lets a version's bytes go.
    fn forget(&mut self, record: &Record) {
        let at = key::version(&self.place, record.sequence);
        match &record.bytes {
            Place::Nowhere | Place::Within(_) => {}
            Place::Beside => self.batch.remove(&self.store.bodies, at),
            Place::Blobs(segments) => self.let_blobs_go(segments, &at),
        }
        self.usage.subtract(record);
    }

    pub(super) fn apply(mut self) -> Result<(), KvError> {
        if !self.usage.is_nothing() {
            self.store.count(self.bucket, self.shard, self.usage, &mut self.batch)?;
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let _showing = self.store.settling.show(self.bucket, self.key);
        let applied = match self.is_told {
            true => self.store.kv.apply(self.batch),
            false => self.store.kv.stage(self.batch), // all who change wait for the disk next
        };
        applied.inspect_err(|_| self.store.usage.forget())
    }
}

fn held_key(segment: &Segment, whose: &[u8]) -> Vec<u8> {
    [&segment.digest.bytes()[..], whose].concat()
}

/// AWS docs: *Amazon S3 User Guide > Locking objects with Object Lock*.
pub(crate) fn refuse_locked(
    record: &Record,
    now: Timestamp,
    may_bypass: bool,
) -> Result<(), AwsError> {
    let retained = record.manner.retention.filter(|retention| retention.until > now);
    let is_free = |mode| mode == ObjectLockMode::Governance && may_bypass;
    let is_retained = retained.is_some_and(|retention| !is_free(retention.mode));
    match is_retained || record.manner.legal_hold {
        true => Err(refusal::locked()),
        false => Ok(()),
    }
}
