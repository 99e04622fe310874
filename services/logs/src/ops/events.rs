//! Log events: put into a stream, and read from one.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_logs_contract::model::{
    GetLogEvents, GetLogEventsRequest, GetLogEventsResponse, OutputLogEvent, PutLogEvents,
    PutLogEventsRequest, PutLogEventsResponse, RejectedLogEventsInfo,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::Logs;
use crate::events::{StoredEvent, StreamId};
use crate::fault::Fault;
use crate::lookup::{find_group, find_stream, group_key, named_group};
use crate::reading::{Times, stream_page};
use crate::refusal;
use crate::rules::batch::{self, Verdict};
use crate::rules::position::{Direction, Position};

/// Events on a page where the caller asks for no number; also the most.
pub(super) const PAGE_COUNT_MAX: usize = 10_000;

/// AWS docs: *CloudWatch Logs API Reference > PutLogEvents*.
impl Flow<PutLogEvents> for Logs {
    async fn flow(self: Arc<Self>, call: Call, input: PutLogEventsRequest) -> Answer<PutLogEvents> {
        let key = group_key(&call, &input.log_group_name);
        let snapshot = self.doors.ledger.snapshot();
        let retention = find_group(&snapshot, &key)?.retention();
        find_stream(&snapshot, &key, &input.log_stream_name)?;

        let measure = |event: &haar_logs_contract::model::InputLogEvent| {
            (Timestamp(event.timestamp), event.message.len())
        };
        let measured: Vec<_> = input.log_events.iter().map(measure).collect();
        let verdict = batch::judge(&measured, retention, call.now).map_err(refusal::invalid)?;
        let kept = input.log_events.into_iter().take(verdict.kept.end).skip(verdict.kept.start);
        let kept: Vec<_> = kept.map(|event| (Timestamp(event.timestamp), event.message)).collect();

        let committed = self.doors.ledger.transact(|tx| {
            let group = find_group(tx, &key)?;
            let mut stream = (*find_stream(tx, &key, &input.log_stream_name)?).clone();
            for (timestamp, message) in &kept {
                stream.note(*timestamp, message.len(), call.now);
            }
            let id = StreamId { group: group.id, stream: stream.id };
            let key = stream.key.clone();
            tx.put(stream);
            Ok::<_, AwsError>((key, id))
        })?;
        let (stream, id) = committed.durable().await.map_err(Fault::from)?;
        if !kept.is_empty() {
            self.sink.write(&stream, id, kept, call.now)?;
            self.sink.events.sync().await.map_err(Fault::from)?;
        }
        let token = Position { timestamp: call.now, sequence: call.ids.draw() };
        Ok(PutLogEventsResponse {
            next_sequence_token: Some(token.digits(0)),
            rejected_log_events_info: rejected(&verdict),
            rejected_entity_info: None,
        })
    }
}

fn rejected(verdict: &Verdict) -> Option<RejectedLogEventsInfo> {
    let index = |index: Option<usize>| index.and_then(|index| i32::try_from(index).ok());
    let info = RejectedLogEventsInfo {
        too_new_log_event_start_index: index(verdict.too_new_start),
        too_old_log_event_end_index: index(verdict.too_old_end),
        expired_log_event_end_index: index(verdict.expired_end),
    };
    (info != RejectedLogEventsInfo::default()).then_some(info)
}

/// AWS docs: *CloudWatch Logs API Reference > GetLogEvents*.
impl Flow<GetLogEvents> for Logs {
    async fn flow(self: Arc<Self>, call: Call, input: GetLogEventsRequest) -> Answer<GetLogEvents> {
        let (name, identifier) = (&input.log_group_name, &input.log_group_identifier);
        let key = named_group(&call, name.as_deref(), identifier.as_deref())?;
        let times = times(input.start_time, input.end_time)?;
        let token = input.next_token.as_deref();
        let from = token.map(|token| Position::parse_token(token).ok_or_else(refusal::bad_token));
        let (direction, from) = match from.transpose()? {
            Some((direction, from)) => (direction, Some(from)),
            None if input.start_from_head == Some(true) => (Direction::Forward, None),
            None => (Direction::Backward, None),
        };
        self.sink.flush().await?;
        let snapshot = self.doors.ledger.snapshot();
        let group = find_group(&snapshot, &key)?;
        let stream = find_stream(&snapshot, &key, &input.log_stream_name)?;

        let id = StreamId { group: group.id, stream: stream.id };
        let limit = limit(input.limit);
        let page = stream_page(&self.sink.events, id, times, (direction, from), limit)
            .map_err(Fault::from)?;
        Ok(GetLogEventsResponse {
            events: Some(page.events.into_iter().map(shown).collect()),
            next_forward_token: Some(page.forward.token(Direction::Forward)),
            next_backward_token: Some(page.backward.token(Direction::Backward)),
        })
    }
}

pub(super) fn limit(limit: Option<i32>) -> usize {
    limit.map_or(PAGE_COUNT_MAX, |limit| usize::try_from(limit).unwrap_or(PAGE_COUNT_MAX))
}

/// A request's span of time.
pub(super) fn times(start: Option<i64>, end: Option<i64>) -> Result<Times, AwsError> {
    let (start, end) = (start.unwrap_or(0), end.unwrap_or(i64::MAX));
    if start > end {
        return Err(refusal::invalid("endTime is earlier than startTime."));
    }
    Ok(Times { start: Timestamp(start), end: Timestamp(end) })
}

fn shown(event: StoredEvent) -> OutputLogEvent {
    OutputLogEvent {
        timestamp: Some(event.position.timestamp.0),
        message: Some(event.message),
        ingestion_time: Some(event.position.ingested_at().0),
    }
}
