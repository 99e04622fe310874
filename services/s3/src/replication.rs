//! Copies of versions in other buckets: staged with what is copied, carried until they are there.
//!
//! A copy has its original's version id and names the same blobs, so that no bytes are moved.
//! Copies are carried in order, key by key. **Invariant:** a copy is never copied on.
//!
//! AWS docs: *Amazon S3 User Guide > Replicating objects within and across Regions*.

mod errand;

use haar_courier::{Errand as _, Lane, Letter, Staged};

pub(crate) use errand::Copying;

use crate::S3;
use crate::rules::replication::{Copies, wanted};
use crate::state::BucketRow;
use crate::store::{Change, Record};

impl S3 {
    /// To where a version is to be copied that is about to be written.
    pub(crate) fn copies_of(&self, row: &BucketRow, key: &str, record: &Record) -> Option<Copies> {
        let rules = wanted(row.replication.as_ref()?, key, record);
        let waiting: Vec<String> = rules.keys().map(|bucket| (*bucket).to_owned()).collect();
        (!waiting.is_empty()).then(|| Copies { waiting, ..Copies::default() })
    }

    /// The same where something was changed of a version that was copied before.
    pub(crate) fn copies_again(
        &self,
        row: &BucketRow,
        key: &str,
        record: &Record,
    ) -> Option<Copies> {
        let before = record.replication.clone()?;
        if before.is_replica {
            return Some(before);
        }
        self.copies_of(row, key, record).or(Some(before))
    }

    /// Stages what is to be copied of a version that was just written.
    pub(crate) fn stage_copies(
        &self,
        change: &mut Change<'_>,
        row: &BucketRow,
        record: &Record,
    ) -> Staged {
        let Some(courier) = self.copies.get() else { return Staged::default() };
        let waiting = match record.is_marker {
            true => self.copies_of(row, change.key, record),
            false => record.replication.clone(),
        };
        let letters: Vec<Letter> = waiting
            .map(|copies| copies.waiting)
            .into_iter()
            .flatten()
            .map(|to| {
                let lane = Lane::Ordered(format!("{to}/{}", change.key));
                let copying = Copying {
                    from: row.name.clone(),
                    id: row.id,
                    key: change.key.to_owned(),
                    version_id: record.shown_id().to_owned(),
                    to,
                };
                Letter::new(&row.account, lane, copying.to_payload())
            })
            .collect();
        match letters.is_empty() {
            true => Staged::default(),
            false => {
                change.is_told = true;
                courier.stage(&mut change.batch, letters)
            }
        }
    }
}
