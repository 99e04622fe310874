//! Changes of items on their way to Kinesis streams.
//!
//! A change's record is staged with the courier in the batch of the change, in a lane of its item
//! and stream, so that it is carried at least once, and in order item by item.
//!
//! AWS docs: *Amazon DynamoDB Developer Guide > Using Kinesis Data Streams to capture changes*.

use std::sync::Arc;
use std::time::Duration;

use haar_clock::IdSource;
use haar_courier::{
    Courier, CourierError, CourierSettings, Errand, Lane, Letter, Parcel, Porter, Staged, Verdict,
    back_off,
};
use haar_dynamodb_contract::ApproximateCreationDateTimePrecision as Precision;
use haar_kernel::targets::{Consignment, Sender};
use haar_kernel::{Principal, UsageRecord};
use haar_kv::Batch;
use haar_types::{AccountId, Region, Timestamp};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Dynamodb;
use crate::convert::to_wire;
use crate::engine::{Actor, Engine, Intent};
use crate::rules::value::{Item, item_size};
use crate::state::{Capture, TableRow};

/// The wait after the first failure. *Ours*.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// The longest wait. *Ours*.
const BACK_OFF_LONGEST: Duration = Duration::from_secs(60);
/// Age at which a record is given up.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Bytes of one change data capture unit.
const UNIT_BYTES: usize = 1024;

/// How records leave: there once the room has started.
pub(crate) struct Outlet {
    courier: Courier,
    ids: IdSource,
}

/// One record on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Captured {
    account: AccountId,
    region: Region,
    table: String,
    stream_arn: String,
    partition_key: String,
    record: Value,
}

impl Engine {
    /// Stages an item's change for all streams that the table's changes go to. Dispatched once
    /// the batch is applied.
    pub(crate) fn capture(
        &self,
        batch: &mut Batch,
        table: &TableRow,
        intent: &Intent<'_>,
        (old, new): (Option<&Item>, Option<&Item>),
        now: Timestamp,
    ) -> Option<Staged> {
        let outlet = self.outlet.get()?;
        let partition_key: String =
            Md5::digest(&intent.key.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let letters: Vec<Letter> = table
            .captures
            .iter()
            .filter(|capture| capture.takes())
            .map(|capture| {
                let lane = format!("{} {partition_key} {}", table.id, capture.stream_arn);
                let id = outlet.ids.uuid();
                let captured = Captured {
                    account: table.key.0.clone(),
                    region: table.key.1.clone(),
                    table: table.name().to_owned(),
                    stream_arn: capture.stream_arn.clone(),
                    partition_key: partition_key.clone(),
                    record: record(id, table, capture, intent, (old, new), now),
                };
                Letter::new(&table.key.0, Lane::Ordered(lane), captured.to_payload())
            })
            .collect();
        (!letters.is_empty()).then(|| outlet.courier.stage(batch, letters))
    }

    /// Has staged records carried.
    pub(crate) fn dispatch(&self, staged: Vec<Staged>) {
        if let Some(outlet) = self.outlet.get() {
            staged.into_iter().for_each(|staged| outlet.courier.dispatch(staged));
        }
    }

    /// Forgets what is on its way, before a reset.
    pub(crate) fn forget_captured(&self) {
        let cleared = self.outlet.get().map_or(Ok(()), |outlet| outlet.courier.clear());
        if let Err(error) = cleared {
            tracing::error!(%error, "could not forget the records for Kinesis");
        }
    }
}

/// As Kinesis gets it.
fn record(
    id: String,
    table: &TableRow,
    capture: &Capture,
    intent: &Intent<'_>,
    (old, new): (Option<&Item>, Option<&Item>),
    now: Timestamp,
) -> Value {
    let name = match (old, new) {
        (None, _) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (Some(_), None) => "REMOVE",
    };
    let keys = table.keys.of(&intent.key.item);
    let sizes = [Some(&keys), old, new].into_iter().flatten().map(item_size);
    let is_micro = capture.precision == Precision::Microsecond;
    let at = if is_micro { now.0.saturating_mul(1000) } else { now.0 };
    let mut change = json!({
        "ApproximateCreationDateTime": at,
        "Keys": shown(&keys),
        "SizeBytes": sizes.sum::<usize>(),
    });
    if is_micro {
        change["ApproximateCreationDateTimePrecision"] = capture.precision.as_str().into();
    }
    for (member, image) in [("NewImage", new), ("OldImage", old)] {
        if let Some(image) = image {
            change[member] = shown(image);
        }
    }
    let user = match intent.actor {
        Actor::Caller => Value::Null,
        Actor::TimeToLive => json!({ "principalId": "dynamodb.amazonaws.com", "type": "Service" }),
    };
    json!({
        "awsRegion": table.key.1.as_str(),
        "eventID": id,
        "eventName": name,
        "userIdentity": user,
        "recordFormat": "application/json",
        "tableName": table.name(),
        "dynamodb": change,
        "eventSource": "aws:dynamodb",
    })
}

fn shown(item: &Item) -> Value {
    let wire = to_wire(item.clone());
    wire.iter().map(|(name, value)| (name.clone(), haar_wire::to_json(value))).collect()
}

impl Errand for Captured {
    type Room = Dynamodb;

    async fn run(self, room: &Dynamodb, parcel: &Parcel) -> Verdict {
        // As the account's service-linked role does, which may put records.
        let principal = Arc::new(Principal::root(self.account.clone()));
        let source_arn =
            format!("arn:aws:dynamodb:{}:{}:table/{}", self.region, self.account, self.table);
        let body = self.record.to_string();
        let units = body.len().div_ceil(UNIT_BYTES) as u64;
        let sender = Sender { principal, source_arn };
        let (arn, region) = (self.stream_arn.clone(), self.region.clone());
        let mut sent = Consignment::new(arn, sender, region, body.into());
        sent.partition_key = Some(self.partition_key);
        let now = room.doors.clock.now();
        match room.doors.targets.deliver(&sent).await {
            Ok(()) => {
                room.doors.meter.record(UsageRecord {
                    account: self.account,
                    region: self.region,
                    at: now,
                    service: "dynamodb",
                    resource: self.table,
                    quantities: vec![("kinesis-units", units)],
                });
                Verdict::Done
            }
            // a stream that is away may come back; what it refuses it will not take later
            Err(error)
                if (error.is_transient || error.code == "ResourceNotFoundException")
                    && now.since(parcel.sent_at) < AGE_MAX =>
            {
                Verdict::Retry(back_off(BACK_OFF_FIRST, BACK_OFF_LONGEST, parcel.failed_count))
            }
            Err(error) => {
                tracing::warn!(table = self.table, %error, "a change is not sent to Kinesis");
                Verdict::Done
            }
        }
    }
}

impl Dynamodb {
    /// Begins to carry changes to Kinesis streams, also those that were left. Once streams are
    /// offered as targets.
    ///
    /// # Errors
    /// When the records that were left cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<(), CourierError> {
        let porter = Porter::<Captured>::of(self);
        let (kv, clock) = (&self.doors.kv, self.doors.clock.clone());
        let settings = CourierSettings::default();
        let courier = Courier::open(kv, clock, "dynamodb.captured", porter, settings)?;
        let outlet = Outlet { courier, ids: self.doors.ids.clone() };
        let _ = self.engine.outlet.set(outlet); // a second start keeps the first
        Ok(())
    }
}
