//! NAT gateways on their way: to be available, to be deleted, to be forgotten.

use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::{AccountId, Region, Timestamp};

use crate::state::{NatGatewayRow, NatState};

/// How long a deleted gateway is still shown. AWS docs: *NAT gateways > Delete a NAT gateway*.
const SHOWN: Duration = Duration::from_secs(3600);

/// The controller `ec2.nat_gateways`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NatGateways;

/// Names a NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NatKey(AccountId, Region, String);

/// One deed for a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatStep {
    /// It works.
    Ready(NatKey),
    /// It is gone, and shown as such.
    Gone(NatKey),
    /// It is no longer shown.
    Forget(NatKey),
}

impl Controller for NatGateways {
    type Key = NatKey;
    type Step = NatStep;
    const NAME: &'static str = "ec2.nat_gateways";

    fn keys(&self, changes: &ChangeSet) -> Vec<NatKey> {
        changes.keys::<NatGatewayRow>().into_iter().map(|(a, r, id)| NatKey(a, r, id)).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<NatKey> {
        let rows = snapshot.all::<NatGatewayRow>();
        rows.map(|row| NatKey(row.key.0.clone(), row.key.1.clone(), row.key.2.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &NatKey, now: Timestamp) -> Plan<NatStep> {
        let row = snapshot.get::<NatGatewayRow>(&(key.0.clone(), key.1.clone(), key.2.clone()));
        let Some(row) = row else { return Plan::default() };
        match row.state {
            NatState::Pending => Plan::step(NatStep::Ready(key.clone())),
            NatState::Available => Plan::default(),
            NatState::Deleting => Plan::step(NatStep::Gone(key.clone())),
            NatState::Deleted => {
                let end = row.deleted_at.unwrap_or(now) + SHOWN;
                match now >= end {
                    true => Plan::step(NatStep::Forget(key.clone())),
                    false => Plan::default().wake_at(end),
                }
            }
        }
    }

    async fn act(&self, step: NatStep, cx: &ActCx) -> Result<(), ActError> {
        let now = cx.clock.now();
        let committed = cx.ledger.transact(|tx| {
            let (NatStep::Ready(key) | NatStep::Gone(key) | NatStep::Forget(key)) = &step;
            let key = (key.0.clone(), key.1.clone(), key.2.clone());
            let state = tx.get::<NatGatewayRow>(&key).map(|row| row.state);
            match (&step, state) {
                (NatStep::Ready(_), Some(NatState::Pending)) => {
                    tx.update::<NatGatewayRow>(&key, |row| row.state = NatState::Available);
                }
                (NatStep::Gone(_), Some(NatState::Deleting)) => {
                    tx.update::<NatGatewayRow>(&key, |row| {
                        (row.state, row.deleted_at) = (NatState::Deleted, Some(now));
                    });
                }
                (NatStep::Forget(_), Some(NatState::Deleted)) => {
                    tx.remove::<NatGatewayRow>(&key);
                }
                _ => {} // somebody else was first
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }
}
