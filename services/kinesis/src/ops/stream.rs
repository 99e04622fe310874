//! Streams themselves.

use haar_kernel::{Answer, Call, Command, Query, page, read_token};
use haar_kinesis_contract::{
    CreateStream, CreateStreamInput, CreateStreamOutput, DeleteStream, DeleteStreamInput,
    DeleteStreamOutput, DescribeStream, DescribeStreamInput, DescribeStreamOutput,
    DescribeStreamSummary, DescribeStreamSummaryInput, DescribeStreamSummaryOutput, ListStreams,
    ListStreamsInput, ListStreamsOutput, StreamDescription, StreamDescriptionSummary, StreamMode,
    StreamStatus, StreamSummary,
};
use haar_ledger::{Snapshot, Tx};
use haar_types::{AccountId, Region};

use super::tag::add_tags;
use super::throughput::check_warm;
use crate::Kinesis;
use crate::lookup::find;
use crate::refusal::{bad_token, in_use, invalid_argument, not_active, stream_exists, validation};
use crate::render::{encryption, mode, monitoring, shard, shard_number, warm};
use crate::rules::hash_key::uniform;
use crate::rules::retention::HOURS_MIN;
use crate::rules::sequence::{Sequence, tick_at};
use crate::state::{ShardKey, ShardRow, StreamKey, StreamRow, consumers, open_shards, shards};

/// Shards of a new on-demand stream. AWS docs: *Choose the right mode > On-demand mode*.
const ON_DEMAND_SHARDS: u32 = 4;
/// On-demand streams of an account in a region.
pub(super) const ON_DEMAND_STREAMS_MAX: usize = 50;
/// A record's size at most unless the stream says more.
const RECORD_KIB_MAX: i32 = 1024;
/// Items of a page unless the request says otherwise.
const PAGE: usize = 100;
/// Shards of a page at most.
const SHARDS_PAGE_MAX: i32 = 10_000;

/// The streams of an account in a region whose names come behind `after`.
pub(super) fn streams<'s>(
    snapshot: &'s Snapshot,
    account: &'s AccountId,
    region: &'s Region,
    after: &str,
) -> impl Iterator<Item = std::sync::Arc<StreamRow>> + 's {
    let at = |name: &str| StreamKey {
        account: account.clone(),
        region: region.clone(),
        name: name.to_owned(),
    };
    let (low, high) = (std::ops::Bound::Excluded(at(after)), std::ops::Bound::Included(at("~")));
    snapshot.range::<StreamRow>((low, high))
}

/// Open shards of an account in a region in provisioned mode, and what it may have.
pub(super) fn shard_count(snapshot: &Snapshot, call: &Call) -> (usize, usize) {
    let all = streams(snapshot, &call.account, &call.region, "");
    let provisioned = all.filter(|stream| stream.mode == StreamMode::Provisioned);
    let open = provisioned.map(|stream| open_shards(snapshot, &stream).count()).sum();
    let limit = match call.region.as_str() {
        "us-east-1" | "us-west-2" | "eu-west-1" => 20_000,
        _ => 1_000,
    };
    (open, limit)
}

/// Refuses more shards than an account may have.
pub(super) fn check_shard_count(
    snapshot: &Snapshot,
    call: &Call,
    more: usize,
) -> Result<(), haar_wire::AwsError> {
    let (open, limit) = shard_count(snapshot, call);
    if open + more <= limit {
        return Ok(());
    }
    Err(crate::refusal::limit_exceeded(format!(
        "This request would exceed the shard limit for the account {} in {}. Current shard count \
         for the account: {open}. Limit: {limit}. Number of additional shards that would have \
         resulted from this request: {more}. Refer to the AWS Service Limits page \
         (https://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current \
         limits and how to request higher limits.",
        call.account, call.region
    )))
}

/// AWS docs: *Kinesis Data Streams API Reference > CreateStream*.
impl Command<CreateStream> for Kinesis {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateStreamInput) -> Answer<CreateStream> {
        let (account, region) = (call.account.clone(), call.region.clone());
        let key = StreamKey { account, region, name: input.stream_name };
        if tx.contains::<StreamRow>(&key) {
            return Err(stream_exists(&key));
        }
        let mode = input.stream_mode_details.map_or(StreamMode::Provisioned, |it| it.stream_mode);
        let count = match (mode, input.shard_count) {
            (StreamMode::OnDemand, None) => {
                check_on_demand_count(tx, call)?;
                ON_DEMAND_SHARDS
            }
            (StreamMode::OnDemand, Some(_)) => {
                let text = "ShardCount must not be specified for a stream in ON_DEMAND mode.";
                return Err(validation(text));
            }
            (StreamMode::Provisioned, None) => {
                let text = "ShardCount must be specified for a stream in PROVISIONED mode.";
                return Err(validation(text));
            }
            (StreamMode::Provisioned, Some(count)) => {
                let count = u32::try_from(count).unwrap_or(1);
                check_shard_count(tx, call, count as usize)?;
                count
            }
        };
        check_warm(mode, input.warm_throughput_mi_bps)?;
        let mut row = StreamRow {
            key,
            id: call.ids.draw(),
            status: StreamStatus::Creating,
            mode,
            retention_hours: HOURS_MIN,
            created_at: call.now,
            shard_metrics: Default::default(),
            key_id: None,
            tags: Default::default(),
            policy: None,
            warm_mibps: input.warm_throughput_mi_bps,
            record_kib_max: input.max_record_size_in_ki_b.unwrap_or(RECORD_KIB_MAX),
            next_shard: count,
            change: None,
            scaled_at: Vec::new(),
            mode_changed_at: Vec::new(),
            charged_until: None,
            grown_at: None,
        };
        add_tags(&mut row.tags, input.tags.unwrap_or_default())?;
        for (number, hash_keys) in (0..count).zip(uniform(count)) {
            tx.put(ShardRow {
                key: ShardKey { stream: row.id, number },
                hash_keys,
                parents: Vec::new(),
                start: Sequence::new(tick_at(call.now), number),
                end: None,
                created_at: call.now,
                closed_at: None,
            });
        }
        tx.put(row);
        Ok(CreateStreamOutput {})
    }
}

/// Refuses more on-demand streams than an account may have.
pub(super) fn check_on_demand_count(
    snapshot: &Snapshot,
    call: &Call,
) -> Result<(), haar_wire::AwsError> {
    let all = streams(snapshot, &call.account, &call.region, "");
    let count = all.filter(|stream| stream.mode == StreamMode::OnDemand).count();
    if count < ON_DEMAND_STREAMS_MAX {
        return Ok(());
    }
    Err(crate::refusal::limit_exceeded(format!(
        "This request would exceed the on-demand stream limit for the account {} in {}. Limit: \
         {ON_DEMAND_STREAMS_MAX}.",
        call.account, call.region
    )))
}

/// AWS docs: *Kinesis Data Streams API Reference > DeleteStream*.
impl Command<DeleteStream> for Kinesis {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteStreamInput) -> Answer<DeleteStream> {
        let row = find(tx, call, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        if row.status == StreamStatus::Deleting {
            return Err(not_active(&row.key, row.status));
        }
        if input.enforce_consumer_deletion != Some(true) && consumers(tx, &row.key).next().is_some()
        {
            return Err(in_use(format!(
                "Stream {} under account {} has registered consumers: deregister them, or set \
                 EnforceConsumerDeletion to true.",
                row.key.name, row.key.account
            )));
        }
        tx.put(StreamRow { status: StreamStatus::Deleting, ..StreamRow::clone(&row) });
        Ok(DeleteStreamOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > DescribeStream*.
impl Query<DescribeStream> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeStreamInput,
    ) -> Answer<DescribeStream> {
        let row = find(snapshot, call, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let after = match input.exclusive_start_shard_id.as_deref() {
            None => None,
            Some(id) => Some(shard_number(id).ok_or_else(|| {
                invalid_argument(format!("ExclusiveStartShardId {id} is not the id of a shard."))
            })?),
        };
        let limit = input.limit.unwrap_or(100).min(SHARDS_PAGE_MAX);
        let limit = usize::try_from(limit).unwrap_or(PAGE);
        let all = shards(snapshot, &row);
        let mut rest = all.filter(|one| after.is_none_or(|after| one.key.number > after));
        let shown = if row.status == StreamStatus::Creating { 0 } else { limit };
        let page: Vec<_> = rest.by_ref().take(shown).map(|one| shard(&one)).collect();
        Ok(DescribeStreamOutput {
            stream_description: StreamDescription {
                stream_name: row.key.name.clone(),
                stream_arn: row.key.arn(),
                stream_status: row.status,
                stream_mode_details: Some(mode(&row)),
                has_more_shards: shown > 0 && rest.next().is_some(),
                shards: page,
                retention_period_hours: row.retention_hours,
                stream_creation_timestamp: row.created_at,
                enhanced_monitoring: monitoring(&row),
                encryption_type: Some(encryption(&row)),
                key_id: row.key_id.clone(),
            },
        })
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > DescribeStreamSummary*.
impl Query<DescribeStreamSummary> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeStreamSummaryInput,
    ) -> Answer<DescribeStreamSummary> {
        let row = find(snapshot, call, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(DescribeStreamSummaryOutput {
            stream_description_summary: StreamDescriptionSummary {
                stream_name: row.key.name.clone(),
                stream_arn: row.key.arn(),
                stream_status: row.status,
                stream_mode_details: Some(mode(&row)),
                retention_period_hours: row.retention_hours,
                stream_creation_timestamp: row.created_at,
                enhanced_monitoring: monitoring(&row),
                encryption_type: Some(encryption(&row)),
                key_id: row.key_id.clone(),
                open_shard_count: count(open_shards(snapshot, &row).count()),
                consumer_count: Some(count(consumers(snapshot, &row.key).count())),
                warm_throughput: warm(&row),
                max_record_size_in_ki_b: Some(row.record_kib_max),
                stream_id: None,
            },
        })
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > ListStreams*.
impl Query<ListStreams> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListStreamsInput,
    ) -> Answer<ListStreams> {
        let scope = format!("kinesis.ListStreams/{}/{}", call.account, call.region);
        let after = match (&input.next_token, input.exclusive_start_stream_name) {
            (Some(token), _) => read_token(&scope, token).map_err(|_| bad_token())?,
            (None, start) => start.unwrap_or_default(),
        };
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
        let all = streams(snapshot, &call.account, &call.region, &after);
        let page = page(all, limit, &scope, |row| row.key.name.clone());
        let summaries = page.items.iter().map(|row| StreamSummary {
            stream_name: row.key.name.clone(),
            stream_arn: row.key.arn(),
            stream_status: row.status,
            stream_mode_details: Some(mode(row)),
            stream_creation_timestamp: Some(row.created_at),
        });
        Ok(ListStreamsOutput {
            stream_names: page.items.iter().map(|row| row.key.name.clone()).collect(),
            has_more_streams: page.next.is_some(),
            stream_summaries: Some(summaries.collect()),
            next_token: page.next,
        })
    }
}
