//! Time to live.

use std::time::Duration;

use haar_dynamodb_contract::{
    DescribeTimeToLive, DescribeTimeToLiveInput, DescribeTimeToLiveOutput, TimeToLiveDescription,
    TimeToLiveStatus, UpdateTimeToLive, UpdateTimeToLiveInput, UpdateTimeToLiveOutput,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use crate::Dynamodb;
use crate::lookup::find_table;
use crate::refusal::invalid;
use crate::state::{TableRow, Ttl};

/// How long a change lasts, during which no other is taken.
const CHANGE: Duration = Duration::from_secs(60 * 60);

/// AWS docs: *Amazon DynamoDB API Reference > UpdateTimeToLive*.
impl Command<UpdateTimeToLive> for Dynamodb {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateTimeToLiveInput,
    ) -> Answer<UpdateTimeToLive> {
        let mut row = TableRow::clone(&*find_table(tx, call, &input.table_name)?);
        let asked = input.time_to_live_specification;
        match (&row.ttl.attribute, asked.enabled) {
            (Some(known), true) if *known == asked.attribute_name => {
                return Err(invalid("TimeToLive is already enabled"));
            }
            (Some(known), _) if *known != asked.attribute_name => {
                return Err(invalid(format!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is \
                     {known}"
                )));
            }
            (None, false) => return Err(invalid("TimeToLive is already disabled")),
            _ => {}
        }
        let change = self.doors.settings.wait(CHANGE);
        let is_forgetting = row.ttl.attribute.is_none() && row.ttl.is_ready;
        if is_forgetting || row.ttl.changed_at.is_some_and(|at| call.now < at + change) {
            return Err(invalid(
                "Time to live has been modified multiple times within a fixed interval",
            ));
        }
        row.ttl = Ttl {
            attribute: asked.enabled.then(|| asked.attribute_name.clone()),
            changed_at: Some(call.now),
            is_ready: row.ttl.is_ready,
        };
        tx.put(row);
        Ok(UpdateTimeToLiveOutput { time_to_live_specification: Some(asked) })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > DescribeTimeToLive*.
impl Query<DescribeTimeToLive> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeTimeToLiveInput,
    ) -> Answer<DescribeTimeToLive> {
        let row = find_table(snapshot, call, &input.table_name)?;
        let status = match (&row.ttl.attribute, row.ttl.is_ready) {
            (Some(_), true) => TimeToLiveStatus::Enabled,
            (Some(_), false) => TimeToLiveStatus::Enabling,
            (None, true) => TimeToLiveStatus::Disabling,
            (None, false) => TimeToLiveStatus::Disabled,
        };
        Ok(DescribeTimeToLiveOutput {
            time_to_live_description: Some(TimeToLiveDescription {
                time_to_live_status: Some(status),
                attribute_name: row.ttl.attribute.clone(),
            }),
        })
    }
}
