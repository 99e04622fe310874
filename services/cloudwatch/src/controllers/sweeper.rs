//! Rolls old metric values up, now and then.

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan, TimeOf};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::state::UpkeepRow;
use crate::store::MetricStore;

/// Time between two sweeps. *Ours*.
const EVERY: Duration = Duration::from_secs(3600);

/// The controller `cloudwatch.sweeper`.
pub struct Sweeper(pub(crate) Arc<MetricStore>);

/// Roll up what is old at a time.
#[derive(Debug, PartialEq, Eq)]
pub struct Sweep(Timestamp);

impl Controller for Sweeper {
    type Key = ();
    type Step = Sweep;

    const NAME: &'static str = "cloudwatch.sweeper";
    const TIME: TimeOf = TimeOf::CloudInPassing;

    fn keys(&self, changes: &ChangeSet) -> Vec<()> {
        changes.keys::<UpkeepRow>()
    }

    fn all(&self, _snapshot: &Snapshot) -> Vec<()> {
        vec![()]
    }

    fn plan(&self, snapshot: &Snapshot, _key: &(), now: Timestamp) -> Plan<Sweep> {
        let row = snapshot.get::<UpkeepRow>(&());
        match row.map(|row| row.swept_at + EVERY) {
            Some(due) if now < due => Plan::default().wake_at(due),
            _ => Plan::step(Sweep(now)),
        }
    }

    async fn act(&self, Sweep(now): Sweep, cx: &ActCx) -> Result<(), ActError> {
        self.0.sweep(now).await.map_err(ActError::transient)?;
        let committed = cx.ledger.transact(|tx| {
            tx.put(UpkeepRow { swept_at: now });
            Ok::<_, ActError>(())
        })?;
        Ok(committed.durable().await?)
    }
}
