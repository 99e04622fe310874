//! Replays of archived events.

use haar_events_contract::model::{
    CancelReplay, CancelReplayRequest, CancelReplayResponse, DescribeReplay, DescribeReplayRequest,
    DescribeReplayResponse, ListReplays, ListReplaysRequest, ListReplaysResponse, Replay,
    ReplayDestination, ReplayState, StartReplay, StartReplayRequest, StartReplayResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::{listing, named};
use crate::Events;
use crate::refusal::{exists, invalid, not_found, too_many};
use crate::state::{ArchiveRow, BusKey, NameKey, ReplayRow, RuleKey};

/// Replays of an account in a region at once. *Amazon EventBridge quotas*.
const REPLAYS_MAX: usize = 10;

impl Command<StartReplay> for Events {
    fn command(&self, call: &Call, tx: &mut Tx, input: StartReplayRequest) -> Answer<StartReplay> {
        let key = NameKey::own(call, &input.replay_name);
        if tx.contains::<ReplayRow>(&key) {
            return Err(exists(format!("Replay {} already exists.", key.name)));
        }
        let archive = NameKey::of_arn(&input.event_source_arn, "archive")
            .ok_or_else(|| invalid("Parameter EventSourceArn is not valid."))?;
        let text = format!("Archive {} does not exist.", archive.name);
        let source = tx.get::<ArchiveRow>(&archive).ok_or_else(|| not_found(text))?;
        let bus = destination(&input.destination, &source)?;
        if input.event_start_time >= input.event_end_time {
            return Err(invalid(
                "Parameter EventEndTime is not valid. Reason: EventStartTime must be before \
                 EventEndTime.",
            ));
        }
        if named::<ReplayRow>(tx, call).filter(|row| !row.is_over()).count() >= REPLAYS_MAX {
            return Err(too_many());
        }
        let row = ReplayRow {
            key,
            archive,
            archive_id: source.id,
            bus,
            filter_arns: input.destination.filter_arns.unwrap_or_default(),
            description: input.description,
            from: input.event_start_time,
            until: input.event_end_time,
            state: ReplayState::Starting,
            position: None,
            last_replayed_at: None,
            started_at: call.now,
            ended_at: None,
        };
        let output = StartReplayResponse {
            replay_arn: Some(row.key.arn("replay")),
            state: Some(row.state),
            state_reason: None,
            replay_start_time: Some(row.started_at),
        };
        tx.put(row);
        Ok(output)
    }
}

/// The bus that the archive is of; nothing else may be replayed to.
fn destination(to: &ReplayDestination, source: &ArchiveRow) -> Result<BusKey, AwsError> {
    let bus = BusKey::of_arn(&to.arn)
        .ok_or_else(|| invalid("Parameter Destination.Arn is not valid."))?;
    if bus != source.source {
        return Err(invalid(
            "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not \
             permitted.",
        ));
    }
    let is_of_bus = |arn: &String| RuleKey::of_arn(arn).is_some_and(|rule| rule.bus == bus);
    match to.filter_arns.iter().flatten().all(is_of_bus) {
        true => Ok(bus),
        false => Err(invalid("Parameter Destination.FilterArns is not valid.")),
    }
}

fn find(snapshot: &Snapshot, call: &Call, name: &str) -> Result<ReplayRow, AwsError> {
    let row = snapshot.get::<ReplayRow>(&NameKey::own(call, name));
    let row = row.ok_or_else(|| not_found(format!("Replay {name} does not exist.")))?;
    Ok(ReplayRow::clone(&row))
}

impl Query<DescribeReplay> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeReplayRequest,
    ) -> Answer<DescribeReplay> {
        let row = find(snapshot, call, &input.replay_name)?;
        let filter_arns = Some(row.filter_arns.clone()).filter(|arns| !arns.is_empty());
        Ok(DescribeReplayResponse {
            replay_name: Some(row.key.name.clone()),
            replay_arn: Some(row.key.arn("replay")),
            description: row.description.clone(),
            state: Some(row.state),
            state_reason: None,
            event_source_arn: Some(row.archive.arn("archive")),
            destination: Some(ReplayDestination { arn: row.bus.arn(), filter_arns }),
            event_start_time: Some(row.from),
            event_end_time: Some(row.until),
            event_last_replayed_time: row.last_replayed_at,
            replay_start_time: Some(row.started_at),
            replay_end_time: row.ended_at,
        })
    }
}

impl Query<ListReplays> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListReplaysRequest,
    ) -> Answer<ListReplays> {
        let listing = listing::<ListReplays>(call, &input)?;
        let prefix = input.name_prefix.unwrap_or_default();
        let is_asked_for = |row: &ReplayRow| {
            let archive = row.archive.arn("archive");
            row.key.name.starts_with(&prefix)
                && input.event_source_arn.as_ref().is_none_or(|arn| archive == *arn)
                && input.state.is_none_or(|state| row.state == state)
        };
        let all = named::<ReplayRow>(snapshot, call).filter(|row| is_asked_for(row));
        let page = listing.page(all, |row| row.key.name.clone());
        let shown = |row: &std::sync::Arc<ReplayRow>| Replay {
            replay_name: Some(row.key.name.clone()),
            event_source_arn: Some(row.archive.arn("archive")),
            state: Some(row.state),
            state_reason: None,
            event_start_time: Some(row.from),
            event_end_time: Some(row.until),
            event_last_replayed_time: row.last_replayed_at,
            replay_start_time: Some(row.started_at),
            replay_end_time: row.ended_at,
        };
        let replays = page.items.iter().map(shown).collect();
        Ok(ListReplaysResponse { replays: Some(replays), next_token: page.next })
    }
}

impl Command<CancelReplay> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CancelReplayRequest,
    ) -> Answer<CancelReplay> {
        let mut row = find(tx, call, &input.replay_name)?;
        if !matches!(row.state, ReplayState::Starting | ReplayState::Running) {
            let name = &row.key.name;
            let text = format!("Replay {name} is not in a valid state for this operation.");
            return Err(AwsError::new("IllegalStatusException", 400, text));
        }
        row.state = ReplayState::Cancelling;
        let output = CancelReplayResponse {
            replay_arn: Some(row.key.arn("replay")),
            state: Some(row.state),
            state_reason: None,
        };
        tx.put(row);
        Ok(output)
    }
}
