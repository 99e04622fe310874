//! Shards: listing them, and what they are to become.

use std::time::Duration;

use haar_kernel::{Answer, Call, Command, Query, page, read_token};
use haar_kinesis_contract::{
    ListShards, ListShardsInput, ListShardsOutput, MergeShards, MergeShardsInput,
    MergeShardsOutput, SplitShard, SplitShardInput, SplitShardOutput, StreamMode, StreamStatus,
    UpdateShardCount, UpdateShardCountInput, UpdateShardCountOutput,
};
use haar_ledger::{Snapshot, Tx};
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::stream::check_shard_count;
use crate::Kinesis;
use crate::lookup::{find, find_active, find_shard};
use crate::refusal::{
    bad_token, expired_token, in_use, invalid_argument, limit_exceeded, validation,
};
use crate::render::{shard, shard_number};
use crate::rules::hash_key;
use crate::rules::reshard::are_neighbours;
use crate::rules::shard_filter::Wanted;
use crate::state::{Change, ShardRow, StreamRow, open_shards, shards};

/// Shards of a page unless the request says otherwise, which is also the most.
const PAGE: usize = 1000;
/// For how long a page's token may be used. AWS docs: *ListShards*.
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
/// How often a stream may be scaled in a day.
const SCALED_MAX: usize = 10;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Shards that a stream may be scaled to.
const SCALE_MAX: usize = 10_000;

/// AWS docs: *Kinesis Data Streams API Reference > ListShards*.
impl Query<ListShards> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListShardsInput,
    ) -> Answer<ListShards> {
        let scope = format!("kinesis.ListShards/{}/{}", call.account, call.region);
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let (row, wanted, after) = match &input.next_token {
            None => {
                let row = find(snapshot, call, name, arn)?;
                let wanted = wanted(&input, &row, call.now)?;
                (row, wanted, None)
            }
            Some(_) if name.is_some() => {
                let text = "NextToken and StreamName cannot be provided together.";
                return Err(invalid_argument(text));
            }
            Some(token) => {
                let (kept, arn, after) = resume(&scope, token, call.now)?;
                let row = find(snapshot, call, None, Some(&arn))?;
                let wanted = wanted_again(&kept);
                (row, wanted, Some(after))
            }
        };
        if matches!(row.status, StreamStatus::Creating | StreamStatus::Deleting) {
            return Err(in_use(format!(
                "Stream {} under account {} not ACTIVE, instead in state {}",
                row.key.name, row.key.account, row.status
            )));
        }
        let limit = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
        let all = shards(snapshot, &row).filter(|one| {
            wanted.shows(one, row.created_at) && after.is_none_or(|after| one.key.number > after)
        });
        let kept = kept(wanted);
        let page = page(all, limit.min(PAGE), &scope, |one| {
            format!("{}|{kept}|{}|{}", row.key.arn(), one.key.number, call.now.0)
        });
        let shown = page.items.iter().map(|one| shard(one));
        Ok(ListShardsOutput { shards: Some(shown.collect()), next_token: page.next })
    }
}

fn wanted(input: &ListShardsInput, row: &StreamRow, now: Timestamp) -> Result<Wanted, AwsError> {
    let number = |id: &str| {
        shard_number(id)
            .ok_or_else(|| invalid_argument(format!("Shard id {id} is not the id of a shard.")))
    };
    if let Some(id) = input.exclusive_start_shard_id.as_deref() {
        return Ok(Wanted::After(number(id)?));
    }
    let Some(filter) = &input.shard_filter else { return Ok(Wanted::All) };
    let id = filter.shard_id.as_deref().map(number).transpose()?;
    let horizon = now - row.retention();
    Wanted::of(filter.r#type, id, filter.timestamp, horizon).map_err(invalid_argument)
}

/// What is shown, for a page's token.
fn kept(wanted: Wanted) -> String {
    match wanted {
        Wanted::All => "all".to_owned(),
        Wanted::After(number) => format!("after {number}"),
        Wanted::Open => "open".to_owned(),
        Wanted::At(time) => format!("at {}", time.0),
        Wanted::From(time) => format!("from {}", time.0),
    }
}

/// Reads what [`kept`] wrote.
fn wanted_again(kept: &str) -> Wanted {
    let (kind, number) = kept.split_once(' ').unwrap_or((kept, "0"));
    let number: i64 = number.parse().unwrap_or(0);
    match kind {
        "after" => Wanted::After(u32::try_from(number).unwrap_or(0)),
        "open" => Wanted::Open,
        "at" => Wanted::At(Timestamp(number)),
        "from" => Wanted::From(Timestamp(number)),
        _ => Wanted::All,
    }
}

/// Reads a page's token: what is shown, of which stream, behind which shard.
fn resume(scope: &str, token: &str, now: Timestamp) -> Result<(String, String, u32), AwsError> {
    let text = read_token(scope, token).map_err(|_| bad_token())?;
    let [arn, kept, number, at] =
        text.split('|').collect::<Vec<_>>().try_into().map_err(|_| bad_token())?;
    let minted_at = Timestamp(at.parse().map_err(|_| bad_token())?);
    if now.since(minted_at) > TOKEN_LIFETIME {
        return Err(expired_token());
    }
    let number = number.parse().map_err(|_| bad_token())?;
    Ok((kept.to_owned(), arn.to_owned(), number))
}

/// Writes down what a stream's shards are to become.
fn ask(tx: &mut Tx, mut row: StreamRow, change: Change) {
    row.status = StreamStatus::Updating;
    row.change = Some(change);
    tx.put(row);
}

/// Refuses shards that are closed already.
fn check_open(row: &StreamRow, shard: &ShardRow, id: &str) -> Result<(), AwsError> {
    match shard.end {
        None => Ok(()),
        Some(_) => Err(invalid_argument(format!(
            "Shard {id} in stream {} under account {} has already been merged or split, and thus \
             is not eligible for merging or splitting.",
            row.key.name, row.key.account
        ))),
    }
}

fn check_provisioned(row: &StreamRow, verb: &str) -> Result<(), AwsError> {
    match row.mode {
        StreamMode::Provisioned => Ok(()),
        StreamMode::OnDemand => Err(validation(format!(
            "{verb} is not supported for streams in ON_DEMAND mode: stream {} under account {}.",
            row.key.name, row.key.account
        ))),
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > SplitShard*.
impl Command<SplitShard> for Kinesis {
    fn command(&self, call: &Call, tx: &mut Tx, input: SplitShardInput) -> Answer<SplitShard> {
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let row = find_active(tx, call, name, arn)?;
        check_provisioned(&row, "SplitShard")?;
        let id = &input.shard_to_split;
        let shard = find_shard(tx, &row, id)?;
        check_open(&row, &shard, id)?;
        let at = hash_key::parse(&input.new_starting_hash_key);
        let (first, last) = shard.hash_keys;
        // Each of the two must hold a key, and AWS wants the second to begin behind the next.
        let Some(at) = at.filter(|at| first.saturating_add(1) < *at && *at < last) else {
            return Err(invalid_argument(format!(
                "NewStartingHashKey {} used in SplitShard() on shard {id} in stream {} under \
                 account {} is not both greater than one plus the shard's StartingHashKey {first} \
                 and less than the shard's EndingHashKey {last}.",
                input.new_starting_hash_key, row.key.name, row.key.account
            )));
        };
        check_shard_count(tx, call, 1)?;
        ask(tx, row, Change::Split(shard.key.number, at));
        Ok(SplitShardOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > MergeShards*.
impl Command<MergeShards> for Kinesis {
    fn command(&self, call: &Call, tx: &mut Tx, input: MergeShardsInput) -> Answer<MergeShards> {
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let row = find_active(tx, call, name, arn)?;
        check_provisioned(&row, "MergeShards")?;
        let (one, other) = (&input.shard_to_merge, &input.adjacent_shard_to_merge);
        let (first, second) = (find_shard(tx, &row, one)?, find_shard(tx, &row, other)?);
        check_open(&row, &first, one)?;
        check_open(&row, &second, other)?;
        if !are_neighbours(first.hash_keys, second.hash_keys) {
            return Err(invalid_argument(format!(
                "Shards {one} and {other} in stream {} under account {} are not an adjacent pair \
                 of shards eligible for merging",
                row.key.name, row.key.account
            )));
        }
        ask(tx, row, Change::Merge(first.key.number, second.key.number));
        Ok(MergeShardsOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > UpdateShardCount*.
impl Command<UpdateShardCount> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateShardCountInput,
    ) -> Answer<UpdateShardCount> {
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let mut row = find_active(tx, call, name, arn)?;
        check_provisioned(&row, "UpdateShardCount")?;
        let present = open_shards(tx, &row).count();
        let target = usize::try_from(input.target_shard_count).unwrap_or(1);
        check_target(&row, present, target)?;
        row.scaled_at.retain(|at| call.now.since(*at) < DAY);
        if row.scaled_at.len() >= SCALED_MAX {
            return Err(limit_exceeded(format!(
                "Stream {} under account {} has been scaled {SCALED_MAX} times in the last 24 \
                 hours.",
                row.key.name, row.key.account
            )));
        }
        check_shard_count(tx, call, target.saturating_sub(present))?;
        row.scaled_at.push(call.now);
        let output = UpdateShardCountOutput {
            stream_name: Some(row.key.name.clone()),
            stream_arn: Some(row.key.arn()),
            current_shard_count: i32::try_from(present).ok(),
            target_shard_count: Some(input.target_shard_count),
        };
        ask(tx, row, Change::Scale(u32::try_from(target).unwrap_or(1)));
        Ok(output)
    }
}

/// A stream is at most doubled and at most halved at once.
fn check_target(row: &StreamRow, present: usize, target: usize) -> Result<(), AwsError> {
    let refuse = |text: String| Err(invalid_argument(text));
    if target > SCALE_MAX {
        return Err(limit_exceeded(format!(
            "A stream can be scaled to {SCALE_MAX} shards at most."
        )));
    }
    if target > present * 2 {
        return refuse(format!(
            "UpdateShardCount cannot scale up over double your current open shard count. Current \
             open shard count: {present} Target shard count: {target} Stream: {}",
            row.key.name
        ));
    }
    if target * 2 < present {
        return refuse(format!(
            "UpdateShardCount cannot scale down below half your current open shard count. Current \
             open shard count: {present} Target shard count: {target} Stream: {}",
            row.key.name
        ));
    }
    Ok(())
}
