//! One round of a bucket's lifecycle rules.

use haar_s3_contract::model::{LifecycleRule, StorageClass};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::S3;
use crate::notices::{Cause, Happening};
use crate::refusal;
use crate::rules::lifecycle::{Seen, due, expires_at, fits, is_enabled, prefix as prefix_of};
use crate::state::BucketRow;
use crate::store::{
    Change, Deleted, Record, UploadRecord, behind, decode, key_of, place, prefix, refuse_locked,
};

/// Keys that are looked at before others may go on.
const BATCH: usize = 256;

/// A round, as of a midnight.
pub(crate) struct Sweep<'a> {
    pub(crate) room: &'a S3,
    pub(crate) row: &'a BucketRow,
    pub(crate) at: Timestamp,
}

/// What rules ask for of the newest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Expires,
    MarkerGoes,
    Moves(StorageClass),
}

impl Sweep<'_> {
    /// Looks at all that rules are for; what is changed is on disk when this resolves.
    pub(crate) async fn run(&self) -> Result<(), AwsError> {
        let mut next = prefix(self.row.id, "");
        let end = behind(&next);
        loop {
            let batch = self.room.store.objects.range(next.clone()..end.clone()).take(BATCH);
            let mut count = 0;
            for entry in batch {
                let entry = entry.map_err(|error| refusal::disk(&error))?;
                count += 1;
                next = [&entry.key[..], &[0]].concat();
                if let Some(newest) = Record::decode(&entry.value) {
                    self.key(&key_of(&entry.key).0, &newest)?;
                }
            }
            if count < BATCH {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.uploads()?;
        self.room.store.sync().await
    }

    fn rules(&self) -> impl Iterator<Item = &LifecycleRule> {
        let rules = self.row.lifecycle.iter().flat_map(|config| &config.rules);
        rules.filter(|rule| is_enabled(rule))
    }

    /// One key: its older versions first, which may leave a marker alone.
    fn key(&self, key: &str, newest: &Record) -> Result<(), AwsError> {
        if self.row.versioning.is_some() {
            self.older(key)?;
        }
        match self.fate(key, newest)? {
            None => Ok(()),
            Some(fate) => self.change(key, |change, row| self.apply(change, row, newest, fate)),
        }
    }

    fn fate(&self, key: &str, newest: &Record) -> Result<Option<Fate>, AwsError> {
        let seen = Seen { key, size: newest.size, tags: &newest.manner.tags };
        if newest.is_marker {
            let is_wanted = |rule: &&LifecycleRule| {
                let expiration = rule.expiration.as_ref();
                let said = expiration.and_then(|it| it.expired_object_delete_marker) == Some(true);
                let past = expires_at(rule, newest.modified_at).is_some_and(|at| at <= self.at);
                key.starts_with(prefix_of(rule)) && (said || past)
            };
            let is_alone = || {
                let place = place(self.row.id, key);
                self.room.store.older(&place).next().transpose().map(|older| older.is_none())
            };
            let goes = self.rules().any(|rule| is_wanted(&rule)) && is_alone()?;
            return Ok(goes.then_some(Fate::MarkerGoes));
        }
        let mut moves = None;
        for rule in self.rules().filter(|rule| fits(rule, seen)) {
            if expires_at(rule, newest.modified_at).is_some_and(|at| at <= self.at) {
                return Ok(Some(Fate::Expires));
            }
            for transition in rule.transitions.iter().flatten() {
                let at = transition
                    .date
                    .or_else(|| Some(due(newest.modified_at, transition.days.unwrap_or(0))));
                let class = transition.storage_class.and_then(|class| class.as_str().parse().ok());
                if let (Some(at), Some(class)) = (at, class)
                    && at <= self.at
                {
                    moves = moves.max(Some((at, class)));
                }
            }
        }
        let moves = moves.map(|(_, class): (Timestamp, StorageClass)| class);
        let now = newest.manner.headers.storage_class;
        Ok(moves.filter(|class| now != Some(*class)).map(Fate::Moves))
    }

    fn apply(
        &self,
        change: &mut Change<'_>,
        row: &BucketRow,
        seen: &Record,
        fate: Fate,
    ) -> Result<Option<(Record, Happening)>, AwsError> {
        let Some(mut newest) = change.newest()?.filter(|now| now.sequence == seen.sequence) else {
            return Ok(None); // somebody wrote meanwhile
        };
        match fate {
            Fate::Moves(class) => {
                newest.manner.headers.storage_class = Some(class);
                newest.restore = None;
                change.rewrite(&newest)?;
                Ok(Some((newest, Happening::LifecycleTransition)))
            }
            Fate::MarkerGoes => {
                change.delete_version(newest.shown_id(), false)?;
                Ok(Some((newest, Happening::LifecycleDelete)))
            }
            Fate::Expires => Ok(match change.delete(row.versioning, &row.account)? {
                Deleted::Nothing => None,
                Deleted::Version(gone) => Some((*gone, Happening::LifecycleDelete)),
                Deleted::Marked(marker) => Some((*marker, Happening::LifecycleDeleteMarkerCreated)),
            }),
        }
    }

    /// Older versions that rules let go; those that are locked stay.
    fn older(&self, key: &str) -> Result<(), AwsError> {
        let rules: Vec<_> =
            self.rules().filter(|rule| rule.noncurrent_version_expiration.is_some()).collect();
        if rules.is_empty() {
            return Ok(());
        }
        let older = self.room.store.older(&place(self.row.id, key));
        for (position, record) in older.collect::<Result<Vec<_>, _>>()?.iter().enumerate() {
            let seen = Seen { key, size: record.size, tags: &record.manner.tags };
            let since = record.superseded_at.unwrap_or(record.modified_at);
            let is_due = rules.iter().any(|rule| {
                let Some(asked) = &rule.noncurrent_version_expiration else { return false };
                let kept = usize::try_from(asked.newer_noncurrent_versions.unwrap_or(0));
                fits(rule, seen)
                    && position >= kept.unwrap_or(0)
                    && due(since, asked.noncurrent_days.unwrap_or(0)) <= self.at
            });
            if is_due && refuse_locked(record, self.at, false).is_ok() {
                self.change(key, |change, _| {
                    Ok(match change.delete_version(record.shown_id(), false)? {
                        Deleted::Version(gone) => Some((*gone, Happening::LifecycleDelete)),
                        _ => None,
                    })
                })?;
            }
        }
        Ok(())
    }

    /// Uploads that nobody finished.
    fn uploads(&self) -> Result<(), AwsError> {
        let all = prefix(self.row.id, "");
        for entry in self.room.store.uploads.prefix(&all) {
            let entry = entry.map_err(|error| refusal::disk(&error))?;
            let (key, _) = key_of(&entry.key);
            let Some(upload) = decode::<UploadRecord>(&entry.value) else { continue };
            let is_due = self.rules().any(|rule| {
                let asked = rule.abort_incomplete_multipart_upload.as_ref();
                let days = asked.and_then(|asked| asked.days_after_initiation);
                key.starts_with(prefix_of(rule))
                    && days.is_some_and(|days| due(upload.initiated_at, days) <= self.at)
            });
            if is_due {
                self.change(&key, |change, _| change.end_upload(&upload.id).map(|()| None))?;
            }
        }
        Ok(())
    }

    /// Changes one key and tells of it.
    fn change(
        &self,
        key: &str,
        work: impl FnOnce(&mut Change<'_>, &BucketRow) -> Result<Option<(Record, Happening)>, AwsError>,
    ) -> Result<(), AwsError> {
        let doors = &self.room.doors;
        let id = doors.ids.uuid();
        let cause = Cause::Service(&id);
        let now = doors.clock.now();
        let staged = self.room.store.change(&doors.ledger, self.row, key, now, |change, row| {
            let done = work(change, row)?;
            Ok(done.map(|(record, what)| self.room.tell(change, row, (&record, what, cause))))
        })?;
        if let Some(staged) = staged {
            self.room.send(staged);
        }
        Ok(())
    }
}
