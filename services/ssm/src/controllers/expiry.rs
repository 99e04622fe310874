//! Removes parameters whose expiration policy says so.

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_kernel::Outbox;
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::ops::remove;
use crate::state::{Key, ParameterRow};

/// The controller `ssm.expiry`.
#[derive(Clone)]
pub struct Expiry {
    outbox: Outbox,
}

impl Expiry {
    /// The controller, telling of what it removes.
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox }
    }
}

/// Names a parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpiryKey(Key);

/// Its one deed: remove the parameter if it has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expire(ExpiryKey);

impl Controller for Expiry {
    type Key = ExpiryKey;
    type Step = Expire;
    const NAME: &'static str = "ssm.expiry";

    fn keys(&self, changes: &ChangeSet) -> Vec<ExpiryKey> {
        changes.keys::<ParameterRow>().into_iter().map(ExpiryKey).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<ExpiryKey> {
        let rows = snapshot.all::<ParameterRow>().filter(|row| row.expires_at.is_some());
        rows.map(|row| ExpiryKey(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &ExpiryKey, now: Timestamp) -> Plan<Expire> {
        let row = snapshot.get::<ParameterRow>(&key.0);
        match row.and_then(|row| row.expires_at) {
            None => Plan::default(),
            Some(at) if now >= at => Plan::step(Expire(key.clone())),
            Some(at) => Plan::default().wake_at(at),
        }
    }

    async fn act(&self, step: Expire, cx: &ActCx) -> Result<(), ActError> {
        let now = cx.clock.now();
        let committed = cx.ledger.transact(|tx| {
            let row = tx.get::<ParameterRow>(&step.0.0);
            if row.and_then(|row| row.expires_at).is_some_and(|at| now >= at) {
                remove(&self.outbox, tx, &step.0.0, now);
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }
}
