//! The bill of provisioned concurrency: what is held ready is paid for, used or not, from when
//! it is asked for until it is given up, rounded up to five minutes.
//!
//! Every five minutes are charged when they begin. A change of the amount begins anew. While
//! haar is down nothing is held, and nothing charged (*Ours*).

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_kernel::UsageRecord;
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Lambda;
use crate::state::{ProvisionedRow, ProvisionedStatus, QualifiedKey, VersionKey, VersionRow};

/// What a charge is rounded up to. AWS docs: *AWS Lambda Pricing*.
const ROUNDED_UP_TO: Duration = Duration::from_secs(300);

/// Writes the bill of what is held ready.
pub struct Charges {
    room: Arc<Lambda>,
}

/// One deed for a version or an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeStep {
    /// Charge the five minutes that begin at this time.
    Charge(QualifiedKey, Timestamp),
}

impl Charges {
    /// The controller of a room's charges for provisioned concurrency.
    pub fn new(room: Arc<Lambda>) -> Self {
        Self { room }
    }

    async fn charge(
        &self,
        key: &QualifiedKey,
        from: Timestamp,
        cx: &ActCx,
    ) -> Result<(), ActError> {
        let committed = cx.ledger.transact(|tx| {
            let row = tx.get::<ProvisionedRow>(key).filter(|row| next_due(row) == Some(from));
            let Some(row) = row else { return Ok::<_, ActError>(None) };
            let until = begin(from, cx.clock.now()) + ROUNDED_UP_TO;
            tx.put(ProvisionedRow { charged_until: Some(until), ..ProvisionedRow::clone(&row) });
            let function = row.key.function.clone();
            let version = VersionKey { function, version: row.version };
            Ok(tx.get::<VersionRow>(&version).map(|version| (row, version)))
        })?;
        if let Some((row, version)) = committed.durable().await? {
            self.room.doors.meter.record(record(&row, &version, cx.clock.now()));
        }
        Ok(())
    }
}

/// When the next five minutes begin to be charged; never for what could not be made.
fn next_due(row: &ProvisionedRow) -> Option<Timestamp> {
    match row.status {
        ProvisionedStatus::Failed(_) => None,
        _ => Some(row.charged_until.unwrap_or(row.last_modified_at)),
    }
}

/// Where the charged time begins: where the last ended, unless nothing was held since.
fn begin(due: Timestamp, now: Timestamp) -> Timestamp {
    if now > due + ROUNDED_UP_TO { now } else { due }
}

fn record(row: &ProvisionedRow, version: &VersionRow, at: Timestamp) -> UsageRecord {
    let kind = match version.settings.architecture.as_str() {
        "arm64" => "provisioned-mb-ms/arm64",
        _ => "provisioned-mb-ms/x86_64",
    };
    let held_ms = ROUNDED_UP_TO.as_secs() * 1000;
    let quantity = version.settings.memory.0 * u64::from(row.requested) * held_ms;
    UsageRecord {
        account: row.key.function.account.clone(),
        region: row.key.function.region.clone(),
        at,
        service: "lambda",
        resource: row.key.function.name.clone(),
        quantities: vec![(kind, quantity)],
    }
}

impl Controller for Charges {
    type Key = QualifiedKey;
    type Step = ChargeStep;
    const NAME: &'static str = "lambda.charges";

    fn keys(&self, changes: &ChangeSet) -> Vec<QualifiedKey> {
        let rows = changes.rows::<ProvisionedRow>();
        rows.filter_map(|(old, new)| new.or(old)).map(|row| row.key.clone()).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<QualifiedKey> {
        snapshot.all::<ProvisionedRow>().map(|row| row.key.clone()).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &QualifiedKey, now: Timestamp) -> Plan<ChargeStep> {
        let row = snapshot.get::<ProvisionedRow>(key);
        match row.and_then(|row| next_due(&row)) {
            None => Plan::default(),
            Some(due) if due <= now => Plan::step(ChargeStep::Charge(key.clone(), due)),
            Some(due) => Plan::default().wake_at(due),
        }
    }

    async fn act(&self, step: ChargeStep, cx: &ActCx) -> Result<(), ActError> {
        let ChargeStep::Charge(key, from) = step;
        self.charge(&key, from, cx).await
    }
}
