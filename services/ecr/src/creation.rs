//! Repositories that haar creates on its own: on a push, for a replica, for a cache. AWS docs:
//! *Amazon ECR User Guide > Repository creation templates*.

use haar_ecr_contract::model::RCTAppliedFor;
use haar_ledger::{Snapshot, Tx};
use haar_types::Timestamp;

use crate::rules::prefix;
use crate::state::{RepositoryKey, RepositoryRow, RepositorySettings, TemplateRow};

/// The closest template that is for such repositories.
pub(crate) fn template(
    snapshot: &Snapshot,
    key: &RepositoryKey,
    reason: RCTAppliedFor,
) -> Option<RepositorySettings> {
    let rows = snapshot.range::<TemplateRow>(key.registry.texts());
    let fitting = rows.filter(|row| row.applied_for.contains(&reason));
    let found = prefix::closest(fitting, |row| &row.key.1, &key.name);
    found.map(|row| row.settings.clone())
}

/// Makes a repository exist, as its template says or with AWS's defaults.
pub(crate) fn ensure(tx: &mut Tx, key: &RepositoryKey, reason: RCTAppliedFor, now: Timestamp) {
    if !tx.contains::<RepositoryRow>(key) {
        let settings = template(tx, key, reason).unwrap_or_default();
        tx.put(RepositoryRow { key: key.clone(), created_at: now, settings });
    }
}

/// Makes a repository exist that something is pushed to, where a template says so.
pub(crate) fn ensure_on_push(tx: &mut Tx, key: &RepositoryKey, now: Timestamp) {
    if template(tx, key, RCTAppliedFor::CreateOnPush).is_some() {
        ensure(tx, key, RCTAppliedFor::CreateOnPush, now);
    }
}
