//! Log events of many streams, filtered.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow, mint_token, read_token};
use haar_ledger::Snapshot;
use haar_logs_contract::model::{
    FilterLogEvents, FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent,
};
use haar_wire::AwsError;

use super::events::{limit, times};
use crate::Logs;
use crate::events::{StoredEvent, StreamId};
use crate::fault::Fault;
use crate::lookup::{find_group, find_stream, named_group};
use crate::reading::{Times, filtered_page};
use crate::refusal;
use crate::rules::filter_pattern::FilterPattern;
use crate::rules::position::{Direction, Position};
use crate::state::{GroupKey, StreamRow, streams_from};

/// AWS docs: *CloudWatch Logs API Reference > FilterLogEvents*.
impl Flow<FilterLogEvents> for Logs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: FilterLogEventsRequest,
    ) -> Answer<FilterLogEvents> {
        let (name, identifier) = (&input.log_group_name, &input.log_group_identifier);
        let key = named_group(&call, name.as_deref(), identifier.as_deref())?;
        if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
            return Err(refusal::invalid(
                "Log stream name prefix and log stream names are mutually exclusive parameters.",
            ));
        }
        let pattern = FilterPattern::parse(input.filter_pattern.as_deref().unwrap_or_default())
            .map_err(|error| refusal::invalid(error.to_string()))?;
        let times = until_and_with(times(input.start_time, input.end_time)?);
        let scope = format!("logs.filter/{}/{:?}", key.arn(), input.filter_pattern);
        let from = match &input.next_token {
            Some(token) => Some(read_position(&scope, token)?),
            None => None,
        };
        self.sink.flush().await?;
        let snapshot = self.doors.ledger.snapshot();
        let group = find_group(&snapshot, &key)?;
        let prefix = input.log_stream_name_prefix.as_deref();
        let streams = streams(&snapshot, &key, input.log_stream_names.as_deref(), prefix)?;

        let ids: Vec<_> =
            streams.iter().map(|row| StreamId { group: group.id, stream: row.id }).collect();
        let limit = limit(input.limit);
        let page = filtered_page(&self.sink.events, &ids, times, from, (&pattern, limit))
            .map_err(Fault::from)?;
        let next = page.next.map(|last| mint_token(&scope, &last.token(Direction::Forward)));
        let shown = page.events.into_iter().map(|(index, event)| shown(&streams[index], event));
        Ok(FilterLogEventsResponse {
            events: Some(shown.collect()),
            searched_log_streams: Some(Vec::new()),
            next_token: next,
        })
    }
}

/// Unlike `GetLogEvents`, this one includes events at `endTime` itself.
fn until_and_with(times: Times) -> Times {
    Times { end: haar_types::Timestamp(times.end.0.saturating_add(1)), ..times }
}

fn read_position(scope: &str, token: &str) -> Result<Position, AwsError> {
    let token = read_token(scope, token).map_err(|_| refusal::bad_token())?;
    let parsed = Position::parse_token(&token);
    parsed.map(|(_, position)| position).ok_or_else(refusal::bad_token)
}

fn streams(
    snapshot: &Snapshot,
    group: &GroupKey,
    names: Option<&[String]>,
    prefix: Option<&str>,
) -> Result<Vec<Arc<StreamRow>>, AwsError> {
    if let Some(names) = names {
        return names.iter().map(|name| find_stream(snapshot, group, name)).collect();
    }
    let prefix = prefix.unwrap_or_default();
    let streams = streams_from(snapshot, group, prefix);
    Ok(streams.take_while(|row| row.key.name.starts_with(prefix)).collect())
}

fn shown(stream: &StreamRow, event: StoredEvent) -> FilteredLogEvent {
    FilteredLogEvent {
        log_stream_name: Some(stream.key.name.clone()),
        timestamp: Some(event.position.timestamp.0),
        message: Some(event.message),
        ingestion_time: Some(event.position.ingested_at().0),
        event_id: Some(event.position.digits(stream.id)),
    }
}
