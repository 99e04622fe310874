//! Log streams: created, deleted, described.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, mint_token, read_token};
use haar_ledger::Tx;
use haar_logs_contract::model::{
    CreateLogStream, CreateLogStreamRequest, DeleteLogStream, DeleteLogStreamRequest,
    DescribeLogStreams, DescribeLogStreamsRequest, DescribeLogStreamsResponse, OrderBy,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::group::page_size;
use crate::Logs;
use crate::lookup::{find_group, find_stream, group_key, named_group};
use crate::refusal;
use crate::render;
use crate::state::{GarbageRow, StreamKey, StreamRow, streams_of};

/// AWS docs: *CloudWatch Logs API Reference > CreateLogStream*.
impl Command<CreateLogStream> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateLogStreamRequest,
    ) -> Answer<CreateLogStream> {
        let group = group_key(call, &input.log_group_name);
        find_group(tx, &group)?;
        let key = StreamKey { group, name: input.log_stream_name };
        if tx.get::<StreamRow>(&key).is_some() {
            return Err(refusal::exists("log stream"));
        }
        tx.put(StreamRow::new(key, call.ids.draw(), call.now));
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DeleteLogStream*.
impl Command<DeleteLogStream> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteLogStreamRequest,
    ) -> Answer<DeleteLogStream> {
        let key = group_key(call, &input.log_group_name);
        let group = find_group(tx, &key)?;
        if group.deletion_protection {
            return Err(refusal::protected());
        }
        let stream = find_stream(tx, &key, &input.log_stream_name)?;
        tx.remove::<StreamRow>(&stream.key);
        tx.put(GarbageRow { group_id: group.id, stream_id: Some(stream.id) });
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DescribeLogStreams*. A flow, so that streams of
/// lines that still wait in memory are there too.
impl Flow<DescribeLogStreams> for Logs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: DescribeLogStreamsRequest,
    ) -> Answer<DescribeLogStreams> {
        let (name, identifier) = (&input.log_group_name, &input.log_group_identifier);
        let key = named_group(&call, name.as_deref(), identifier.as_deref())?;
        let by_time = input.order_by == Some(OrderBy::LastEventTime);
        if by_time && input.log_stream_name_prefix.is_some() {
            return Err(refusal::invalid(
                "Cannot order by LastEventTime with a logStreamNamePrefix.",
            ));
        }
        self.sink.flush().await?;
        let snapshot = self.doors.ledger.snapshot();
        find_group(&snapshot, &key)?;

        let prefix = input.log_stream_name_prefix.unwrap_or_default();
        let mut rows: Vec<Arc<StreamRow>> =
            streams_of(&snapshot, &key).filter(|row| row.key.name.starts_with(&prefix)).collect();
        if by_time {
            rows.sort_by_key(|row| row.last_event_at);
        }
        if input.descending == Some(true) {
            rows.reverse();
        }
        let scope = format!("logs.streams/{}/{by_time}/{:?}", key.arn(), input.descending);
        let start = match &input.next_token {
            Some(token) => start_behind(&rows, &scope, token, by_time)?,
            None => 0,
        };
        let end = (start + page_size(input.limit)).min(rows.len());
        let last = rows[start..end].last().filter(|_| end < rows.len());
        Ok(DescribeLogStreamsResponse {
            next_token: last.map(|row| mint_token(&scope, &place(row))),
            log_streams: Some(rows[start..end].iter().map(|row| render::stream(row)).collect()),
        })
    }
}

/// Names a row's place in either order.
fn place(row: &StreamRow) -> String {
    format!("{:020}/{}", row.last_event_at.unwrap_or(Timestamp(0)).0, row.key.name)
}

/// Where the page behind a token begins. The token's stream is looked for by name; should it be
/// gone, the page begins behind where it would stand.
fn start_behind(
    rows: &[Arc<StreamRow>],
    scope: &str,
    token: &str,
    by_time: bool,
) -> Result<usize, AwsError> {
    let last = read_token(scope, token).map_err(|_| refusal::bad_token())?;
    let (at, name) = last.split_once('/').ok_or_else(refusal::bad_token)?;
    if let Some(index) = rows.iter().position(|row| row.key.name == name) {
        return Ok(index + 1);
    }
    let descending = rows.first().zip(rows.last()).is_some_and(|(first, last)| {
        if by_time { first.last_event_at > last.last_event_at } else { first.key > last.key }
    });
    let before = |row: &Arc<StreamRow>| {
        let stands = if by_time { place(row).as_str() < at } else { row.key.name.as_str() < name };
        stands != descending
    };
    Ok(rows.iter().position(|row| !before(row)).unwrap_or(rows.len()))
}
