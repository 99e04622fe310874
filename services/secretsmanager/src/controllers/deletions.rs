//! Removes secrets whose recovery window has passed.

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::state::{Key, SecretRow, remove};

/// The controller `secretsmanager.deletions`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deletions;

/// Names a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKey(pub(crate) Key);

/// Its one deed: remove the secret if its window has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remove(SecretKey);

impl Controller for Deletions {
    type Key = SecretKey;
    type Step = Remove;
    const NAME: &'static str = "secretsmanager.deletions";

    fn keys(&self, changes: &ChangeSet) -> Vec<SecretKey> {
        changes.keys::<SecretRow>().into_iter().map(SecretKey).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<SecretKey> {
        let rows = snapshot.all::<SecretRow>().filter(|row| row.deleted.is_some());
        rows.map(|row| SecretKey(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &SecretKey, now: Timestamp) -> Plan<Remove> {
        match snapshot.get::<SecretRow>(&key.0).and_then(|row| row.deleted) {
            None => Plan::default(),
            Some((_, gone_at)) if now >= gone_at => Plan::step(Remove(key.clone())),
            Some((_, gone_at)) => Plan::default().wake_at(gone_at),
        }
    }

    async fn act(&self, step: Remove, cx: &ActCx) -> Result<(), ActError> {
        let now = cx.clock.now();
        let committed = cx.ledger.transact(|tx| {
            let deleted = tx.get::<SecretRow>(&step.0.0).and_then(|row| row.deleted);
            if deleted.is_some_and(|(_, gone_at)| now >= gone_at) {
                remove(tx, &step.0.0);
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }
}
