//! One round of a bucket's lifecycle rules.

use haar_s3_contract::model::{
    LifecycleRule, StorageClass, TransitionDefaultMinimumObjectSize, TransitionStorageClass,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::S3;
use crate::notices::{Cause, Happening};
use crate::refusal;
use crate::rules::lifecycle::{Seen, due, expires_at, fits, is_enabled, prefix as prefix_of};
use crate::rules::transition::{chosen, moves_size};
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
                said && key.starts_with(prefix_of(rule)) || past && fits(rule, seen)
            };
            let is_alone = || {
                let place = place(self.row.id, key);
                self.room.store.older(&place).next().transpose().map(|older| older.is_none())
            };
            let goes = self.rules().any(|rule| is_wanted(&rule)) && is_alone()?;
            return Ok(goes.then_some(Fate::MarkerGoes));
        }
        let fitting: Vec<_> = self.rules().filter(|rule| fits(rule, seen)).collect();
        let expires = |rule: &LifecycleRule| {
            expires_at(rule, newest.modified_at).is_some_and(|at| at <= self.at)
        };
        if fitting.iter().any(|rule| expires(rule)) {
            return Ok(Some(Fate::Expires));
        }
        let asked = fitting.iter().flat_map(|rule| {
            rule.transitions.iter().flatten().map(move |transition| (*rule, transition))
        });
        let moves = asked.filter_map(|(rule, transition)| {
            let days = || due(newest.modified_at, transition.days.unwrap_or(0));
            let at = transition.date.unwrap_or_else(days);
            (at <= self.at).then_some((rule, transition.storage_class?))
        });
        Ok(self.moved(newest, moves).map(Fate::Moves))
    }

    /// The class that a version is to move to, of those that are due by their rules.
    fn moved<'r>(
        &self,
        record: &Record,
        due: impl Iterator<Item = (&'r LifecycleRule, TransitionStorageClass)>,
    ) -> Option<StorageClass> {
        let usual = self.row.lifecycle_minimum_size.as_deref().and_then(|text| text.parse().ok());
        let usual = usual.unwrap_or(TransitionDefaultMinimumObjectSize::AllStorageClasses128k);
        let classes = due.filter_map(|(rule, class)| {
            let class = class.as_str().parse().ok()?;
            moves_size(rule, class, record.size, usual).then_some(class)
        });
        chosen(record.manner.headers.storage_class, classes)
    }

    fn apply(
        &self,
        change: &mut Change<'_>,
        row: &BucketRow,
        seen: &Record,
        fate: Fate,
    ) -> Result<Option<(Record, Happening)>, AwsError> {
        let Some(mut newest) = change.newest()?.filter(|now| is_as(now, seen)) else {
            return Ok(None); // somebody wrote meanwhile
        };
        match fate {
            Fate::Moves(class) => {
                move_to(change, &mut newest, class)?;
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

    /// Older versions that rules let go, if they are not locked, or move.
    fn older(&self, key: &str) -> Result<(), AwsError> {
        let looks_back = |rule: &&LifecycleRule| {
            rule.noncurrent_version_expiration.is_some()
                || rule.noncurrent_version_transitions.is_some()
        };
        let rules: Vec<_> = self.rules().filter(looks_back).collect();
        if rules.is_empty() {
            return Ok(());
        }
        // read one by one: what is changed meanwhile is not seen
        let older = self.room.store.older(&place(self.row.id, key));
        for (position, record) in older.enumerate() {
            let record = &record?;
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
                self.change(key, |change, _| let_go(change, record))?;
            } else if let Some(class) = self.moved_older(&rules, key, (position, record)) {
                self.change(key, |change, _| {
                    let Some(mut record) = still_older(change, record)? else { return Ok(None) };
                    move_to(change, &mut record, class)?;
                    Ok(Some((record, Happening::LifecycleTransition)))
                })?;
            }
        }
        Ok(())
    }

    /// The class that an older version is to move to; so many newer ones are before it.
    fn moved_older(
        &self,
        rules: &[&LifecycleRule],
        key: &str,
        (position, record): (usize, &Record),
    ) -> Option<StorageClass> {
        if record.is_marker {
            return None;
        }
        let seen = Seen { key, size: record.size, tags: &record.manner.tags };
        let since = record.superseded_at.unwrap_or(record.modified_at);
        let fitting = rules.iter().filter(|rule| fits(rule, seen));
        let asked = fitting.flat_map(|rule| {
            rule.noncurrent_version_transitions.iter().flatten().map(move |one| (*rule, one))
        });
        let moves = asked.filter_map(|(rule, one)| {
            let kept = usize::try_from(one.newer_noncurrent_versions.unwrap_or(0)).unwrap_or(0);
            let is_due = due(since, one.noncurrent_days.unwrap_or(0)) <= self.at;
            (is_due && position >= kept).then_some((rule, one.storage_class?))
        });
        self.moved(record, moves)
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
            if row.lifecycle_at != self.row.lifecycle_at || row.lifecycle.is_none() {
                return Ok(None); // the rules changed meanwhile: they get a sweep of their own
            }
            let done = work(change, row)?;
            Ok(done.map(|(record, what)| {
                if what == Happening::LifecycleTransition {
                    self.room.meter_transition(row, &record);
                }
                self.room.tell(change, row, (&record, what, cause))
            }))
        })?;
        if let Some(staged) = staged {
            self.room.send(staged);
        }
        Ok(())
    }
}

/// True for the very version that rules were held against.
fn is_as(now: &Record, seen: &Record) -> bool {
    now.sequence == seen.sequence && now.manner.tags == seen.manner.tags
}

/// An older version as it is now; `None` where it came up since it was seen, or is another.
fn still_older(change: &Change<'_>, seen: &Record) -> Result<Option<Record>, AwsError> {
    if change.newest()?.is_none_or(|newest| newest.sequence == seen.sequence) {
        return Ok(None);
    }
    Ok(change.find(Some(seen.shown_id()))?.filter(|now| is_as(now, seen)))
}

/// Deletes an older version, where it still is one and nobody locked it meanwhile.
fn let_go(change: &mut Change<'_>, seen: &Record) -> Result<Option<(Record, Happening)>, AwsError> {
    let older = still_older(change, seen)?;
    let Some(older) = older.filter(|now| refuse_locked(now, change.now, false).is_ok()) else {
        return Ok(None);
    };
    Ok(match change.delete_version(older.shown_id(), false)? {
        Deleted::Version(gone) => Some((*gone, Happening::LifecycleDelete)),
        _ => None,
    })
}

/// Moves a version to another class; a copy that was restored of it goes.
fn move_to(
    change: &mut Change<'_>,
    record: &mut Record,
    class: StorageClass,
) -> Result<(), AwsError> {
    record.manner.headers.storage_class = Some(class);
    record.restore = None;
    change.rewrite(record)
}

#[cfg(test)]
mod tests {
    use haar_clock::IdSource;
    use haar_kv::Kv;
    use haar_ledger::Ledger;
    use haar_s3_contract::model::BucketVersioningStatus::{self, Enabled, Suspended};
    use haar_types::{AccountId, Region};

    use super::*;
    use crate::store::{Held, Store};

    struct Bench {
        store: Store,
        ledger: Ledger,
        row: BucketRow,
    }

    impl Bench {
        fn new() -> Self {
            let (account, region) = (AccountId::default(), Region::default());
            let row = BucketRow::new("bbb".to_owned(), 1, account, region, Timestamp(0));
            let ledger = Ledger::ephemeral(crate::tables());
            ledger.write(|tx| tx.put(row.clone())).early().unwrap();
            let store = Store::open(&Kv::ephemeral(), &IdSource::seeded(7)).unwrap();
            Self { store, ledger, row }
        }

        fn change<T>(&self, work: impl FnOnce(&mut Change<'_>) -> Result<T, AwsError>) -> T {
            let now = Timestamp(1_800_000_000_000);
            self.store.change(&self.ledger, &self.row, "k", now, |change, _| work(change)).unwrap()
        }

        fn put(&self, versioning: Option<BucketVersioningStatus>) -> Record {
            let held = Held::Blobs(Vec::new());
            self.change(|change| change.put(versioning, Record::default(), held))
        }

        fn let_go(&self, seen: &Record) -> bool {
            self.change(|change| let_go(change, seen)).is_some()
        }

        fn newest(&self) -> u64 {
            self.store.newest(1, "k").unwrap().unwrap().sequence
        }
    }

    #[test]
    fn a_version_that_came_up_since_it_was_seen_stays() {
        let bench = Bench::new();
        let [first, second, third] = [(); 3].map(|()| bench.put(Some(Enabled)));
        bench.change(|change| change.delete_version(third.shown_id(), false));
        assert!(!bench.let_go(&second), "it is the newest again");
        assert_eq!(bench.newest(), second.sequence);
        assert!(bench.let_go(&first));
        assert!(!bench.let_go(&first), "it is gone");
    }

    #[test]
    fn a_null_version_that_was_written_anew_since_the_older_one_was_seen_stays() {
        let bench = Bench::new();
        let seen = bench.put(None);
        bench.put(Some(Enabled));
        let anew = bench.put(Some(Suspended));
        bench.put(Some(Enabled));
        assert_eq!(seen.shown_id(), anew.shown_id());
        assert!(!bench.let_go(&seen), "another has its id");
        assert!(bench.let_go(&anew));
    }

    #[test]
    fn a_version_that_was_locked_or_tagged_since_it_was_seen_stays() {
        let bench = Bench::new();
        let seen = bench.put(Some(Enabled));
        bench.put(Some(Enabled));
        let mut locked = seen.clone();
        locked.manner.legal_hold = true;
        bench.change(|change| change.rewrite(&locked));
        assert!(!bench.let_go(&seen));
        let mut tagged = seen.clone();
        tagged.manner.tags = [("keep".to_owned(), "yes".to_owned())].into_iter().collect();
        bench.change(|change| change.rewrite(&tagged));
        assert!(!bench.let_go(&seen));
        assert!(bench.let_go(&tagged));
    }
}
