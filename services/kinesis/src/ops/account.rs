//! What an account may have, and what it has set.

use haar_kernel::{Answer, Call, Command, Query};
use haar_kinesis_contract::{
    DescribeAccountSettings, DescribeAccountSettingsInput, DescribeAccountSettingsOutput,
    DescribeLimits, DescribeLimitsInput, DescribeLimitsOutput,
    MinimumThroughputBillingCommitmentInputStatus as Asked,
    MinimumThroughputBillingCommitmentOutput,
    MinimumThroughputBillingCommitmentOutputStatus as Shown, StreamMode, UpdateAccountSettings,
    UpdateAccountSettingsInput, UpdateAccountSettingsOutput,
};
use haar_ledger::{Snapshot, Tx};

use super::stream::{ON_DEMAND_STREAMS_MAX, shard_count, streams};
use crate::Kinesis;
use crate::state::AccountRow;

/// AWS docs: *Kinesis Data Streams API Reference > DescribeLimits*.
impl Query<DescribeLimits> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _input: DescribeLimitsInput,
    ) -> Answer<DescribeLimits> {
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let (open, limit) = shard_count(snapshot, call);
        let all = streams(snapshot, &call.account, &call.region, "");
        let on_demand = all.filter(|stream| stream.mode == StreamMode::OnDemand).count();
        Ok(DescribeLimitsOutput {
            shard_limit: number(limit),
            open_shard_count: number(open),
            on_demand_stream_count: number(on_demand),
            on_demand_stream_count_limit: number(ON_DEMAND_STREAMS_MAX),
        })
    }
}

fn shown(row: Option<&AccountRow>) -> MinimumThroughputBillingCommitmentOutput {
    let started_at = row.and_then(|row| row.committed_at);
    let status = if started_at.is_some() { Shown::Enabled } else { Shown::Disabled };
    MinimumThroughputBillingCommitmentOutput { status, started_at, ..Default::default() }
}

/// AWS docs: *Kinesis Data Streams API Reference > DescribeAccountSettings*.
impl Query<DescribeAccountSettings> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _input: DescribeAccountSettingsInput,
    ) -> Answer<DescribeAccountSettings> {
        let row = snapshot.get::<AccountRow>(&call.account);
        let commitment = shown(row.as_deref());
        Ok(DescribeAccountSettingsOutput {
            minimum_throughput_billing_commitment: Some(commitment),
        })
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > UpdateAccountSettings*. AWS lets a
/// commitment end after 24 hours at the earliest; here it moves no price, and ends at once
/// (*Ours*).
impl Command<UpdateAccountSettings> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateAccountSettingsInput,
    ) -> Answer<UpdateAccountSettings> {
        let known = tx.get::<AccountRow>(&call.account).and_then(|row| row.committed_at);
        let committed_at = match input.minimum_throughput_billing_commitment.status {
            Asked::Enabled => known.or(Some(call.now)),
            Asked::Disabled => None,
        };
        let row = AccountRow { account: call.account.clone(), committed_at };
        let commitment = shown(Some(&row));
        tx.put(row);
        Ok(UpdateAccountSettingsOutput { minimum_throughput_billing_commitment: Some(commitment) })
    }
}
