//! Does what lifecycle rules ask for, once a day at midnight, as AWS does, and when they change.

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::S3;
use crate::lifecycle::Sweep;
use crate::state::BucketRow;

const DAY: Duration = Duration::from_secs(24 * 3600);
const DAY_MS: i64 = 24 * 3600 * 1000;

/// The controller `s3.lifecycles`.
pub struct Lifecycles(pub(crate) Arc<S3>);

/// One deed: bring a bucket to what its rules ask for as of a midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleStep {
    bucket: String,
    at: Timestamp,
}

impl Controller for Lifecycles {
    type Key = String;
    type Step = LifecycleStep;

    const NAME: &'static str = "s3.lifecycles";
    const CONCURRENCY: usize = 2;

    fn keys(&self, changes: &ChangeSet) -> Vec<String> {
        changes.keys::<BucketRow>()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<String> {
        snapshot.all::<BucketRow>().map(|row| row.name.clone()).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &String, now: Timestamp) -> Plan<LifecycleStep> {
        snapshot.get::<BucketRow>(key).map_or_else(Plan::default, |row| plan(&row, now))
    }

    async fn act(&self, step: LifecycleStep, cx: &ActCx) -> Result<(), ActError> {
        let Some(row) = cx.ledger.snapshot().get::<BucketRow>(&step.bucket) else {
            return Ok(());
        };
        let sweep = Sweep { room: &self.0, row: &row, at: step.at };
        sweep.run().await.map_err(|error: AwsError| ActError::transient(error.message()))?;
        let committed = cx.ledger.transact(|tx| {
            let current = tx.get::<BucketRow>(&step.bucket).filter(|now| now.id == row.id);
            // Rules that changed meanwhile are looked at again.
            if let Some(current) = current.filter(|now| now.lifecycle_at == row.lifecycle_at) {
                tx.put(BucketRow { swept_at: Some(step.at), ..(*current).clone() });
            }
            Ok::<_, ActError>(())
        })?;
        Ok(committed.durable().await?)
    }
}

/// Reads a bucket and the time, answers which midnight it is to be swept as of.
fn plan(row: &BucketRow, now: Timestamp) -> Plan<LifecycleStep> {
    if row.lifecycle.is_none() {
        return Plan::default();
    }
    let midnight = Timestamp(now.0.div_euclid(DAY_MS) * DAY_MS);
    let plan = match row.swept_at {
        Some(swept) if swept >= midnight => Plan::default(),
        _ => Plan::step(LifecycleStep { bucket: row.name.clone(), at: midnight }),
    };
    plan.wake_at(midnight + DAY)
}

#[cfg(test)]
mod tests {
    use haar_s3_contract::model::BucketLifecycleConfiguration;
    use haar_types::{AccountId, Region};

    use super::*;

    #[test]
    fn a_bucket_with_rules_is_swept_once_after_each_midnight() {
        let (account, region) = (AccountId::default(), Region::default());
        let mut row = BucketRow::new("b".to_owned(), 1, account, region, Timestamp(0));
        let noon = Timestamp(20_000 * DAY_MS) + DAY / 2;
        assert_eq!(plan(&row, noon), Plan::default());

        row.lifecycle = Some(BucketLifecycleConfiguration::default());
        let (midnight, next) = (Timestamp(20_000 * DAY_MS), Timestamp(20_001 * DAY_MS));
        let step = LifecycleStep { bucket: "b".to_owned(), at: midnight };
        assert_eq!(plan(&row, noon), Plan::step(step).wake_at(next));

        row.swept_at = Some(midnight);
        assert_eq!(plan(&row, noon), Plan::default().wake_at(next));
    }
}
