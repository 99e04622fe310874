//! Lets images expire, or moves them to the archive, as lifecycle policies say.

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan, TimeOf};
use haar_ledger::{ChangeSet, Snapshot, Tx};
use haar_types::Timestamp;

use crate::Ecr;
use crate::announce::Telling;
use crate::images;
use crate::lookup::image_of;
use crate::rules::lifecycle::{Action, Candidate, Deed, Policy, evaluate};
use crate::state::{ImageRow, RepositoryKey, RepositoryRow};

/// How often a policy is applied. AWS does so within 24 hours.
const ROUND: Duration = Duration::from_secs(3600);

/// The controller `ecr.lifecycles`.
pub struct Lifecycles(pub(crate) Arc<Ecr>);

/// Names a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryName(pub(crate) RepositoryKey);

/// Apply a repository's policy.
#[derive(Debug, PartialEq, Eq)]
pub struct LifecycleStep(RepositoryName);

impl Controller for Lifecycles {
    type Key = RepositoryName;
    type Step = LifecycleStep;

    const NAME: &'static str = "ecr.lifecycles";
    const TIME: TimeOf = TimeOf::CloudInPassing;
    const CONCURRENCY: usize = 2;

    fn keys(&self, changes: &ChangeSet) -> Vec<RepositoryName> {
        changes.keys::<RepositoryRow>().into_iter().map(RepositoryName).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<RepositoryName> {
        let rows = snapshot.all::<RepositoryRow>();
        rows.filter(|row| row.settings.lifecycle.is_some())
            .map(|row| RepositoryName(row.key.clone()))
            .collect()
    }

    fn plan(
        &self,
        snapshot: &Snapshot,
        key: &RepositoryName,
        now: Timestamp,
    ) -> Plan<LifecycleStep> {
        let row = snapshot.get::<RepositoryRow>(&key.0);
        let policy = row.as_ref().and_then(|row| row.settings.lifecycle.as_ref());
        let Some(policy) = policy else { return Plan::default() };
        match policy.evaluated_at.map(|at| at + self.round()) {
            Some(due_at) if now < due_at => Plan::default().wake_at(due_at),
            _ => Plan::step(LifecycleStep(key.clone())),
        }
    }

    async fn act(&self, LifecycleStep(key): LifecycleStep, cx: &ActCx) -> Result<(), ActError> {
        let now = cx.clock.now();
        let committed = cx.ledger.transact(|tx| {
            apply(tx, &key.0, self.round(), &self.0.telling(now));
            Ok::<_, ActError>(())
        })?;
        Ok(committed.durable().await?)
    }
}

impl Lifecycles {
    fn round(&self) -> Duration {
        self.0.doors.settings.wait(ROUND)
    }
}

/// Applies the policy that is in force now.
fn apply(tx: &mut Tx, key: &RepositoryKey, round: Duration, telling: &Telling<'_>) {
    let now = telling.now;
    let Some(row) = tx.get::<RepositoryRow>(key) else { return };
    let Some(policy) = row.settings.lifecycle.clone() else { return };
    let deeds = match Policy::parse(&policy.text) {
        Ok(policy) => evaluate(&policy, &candidates(tx, key), now),
        Err(error) => {
            tracing::error!(repository = key.name, error, "a lifecycle policy cannot be read");
            Vec::new()
        }
    };
    for deed in deeds {
        let image = tx.get::<ImageRow>(&key.image(deed.digest));
        // *Ours*: an index may be about to be pushed that lists this image.
        let settled = |image: &Arc<ImageRow>| {
            now.since(image.pushed_at) >= round || !image.tags(tx).is_empty()
        };
        if let Some(image) = image.filter(settled) {
            carry_out(tx, image, &deed, telling);
        }
    }
    tx.update::<RepositoryRow>(key, |row| {
        if let Some(policy) = &mut row.settings.lifecycle {
            policy.evaluated_at = Some(now);
        }
    });
}

/// What is about an image goes the same way, and what is about that, however long the chain.
fn carry_out(tx: &mut Tx, image: Arc<ImageRow>, deed: &Deed, telling: &Telling<'_>) {
    let mut due = vec![image];
    while let Some(image) = due.pop() {
        for entry in image.entries() {
            let referrers = tx.by_index::<ImageRow>(ImageRow::BY_SUBJECT, &entry);
            due.extend(referrers.filter(|it| deed.action != Action::Archive || !it.is_archived));
        }
        match deed.action {
            Action::Expire => images::remove(tx, &image, telling),
            Action::Archive => {
                let archived_at = Some(telling.now);
                tx.put(ImageRow { is_archived: true, archived_at, ..(*image).clone() });
            }
        }
    }
}

/// A repository's images, as rules see them.
pub(crate) fn candidates(snapshot: &Snapshot, key: &RepositoryKey) -> Vec<Candidate> {
    let is_about = |row: &ImageRow| {
        let subject = row.subject.and_then(|said| image_of(snapshot, key, &said));
        subject.is_some_and(|subject| snapshot.contains::<ImageRow>(&key.image(subject)))
    };
    let candidate = |row: Arc<ImageRow>| Candidate {
        digest: row.key.digest,
        tags: row.tags(snapshot),
        pushed_at: row.pushed_at,
        pulled_at: row.pulled_at,
        archived_at: row.archived_at,
        activated_at: row.activated_at,
        is_archived: row.is_archived,
        is_held: is_about(&row) || !row.parents(snapshot).is_empty(),
    };
    key.images(snapshot).map(candidate).collect()
}
