//! `ListStreams` and `DescribeStream`.

use std::sync::Arc;

use haar_dynamodbstreams_contract::{
    DescribeStream, DescribeStreamInput, DescribeStreamOutput, ListStreams, ListStreamsInput,
    ListStreamsOutput,
};
use haar_kernel::{Answer, Call, Flow, Query};
use haar_ledger::Snapshot;

use crate::Streams;
use crate::refusal::{fault, no_stream};
use crate::render;

/// Streams or shards on a page.
const PAGE: usize = 100;

fn limit(given: Option<i32>) -> usize {
    given.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE).clamp(1, PAGE)
}

/// AWS docs: *Amazon DynamoDB Streams API Reference > ListStreams*.
impl Query<ListStreams> for Streams {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListStreamsInput,
    ) -> Answer<ListStreams> {
        let table = input
            .table_name
            .as_deref()
            .map(|name| name.rsplit_once(":table/").map_or(name, |(_, name)| name));
        let all = self.streams()?.streams(snapshot, &call.account, &call.region, table);
        let after = input.exclusive_start_stream_arn;
        let at = after.and_then(|arn| all.iter().position(|stream| stream.arn == arn));
        let mut rest = all.into_iter().skip(at.map_or(0, |at| at + 1));
        let page: Vec<_> = rest.by_ref().take(limit(input.limit)).collect();
        let last = page.last().map(|stream| stream.arn.clone());
        Ok(ListStreamsOutput {
            last_evaluated_stream_arn: last.filter(|_| rest.next().is_some()),
            streams: Some(page.into_iter().map(render::stream).collect()),
        })
    }
}

/// AWS docs: *Amazon DynamoDB Streams API Reference > DescribeStream*.
impl Flow<DescribeStream> for Streams {
    async fn flow(
        self: Arc<Self>,
        _call: Call,
        input: DescribeStreamInput,
    ) -> Answer<DescribeStream> {
        let (snapshot, streams) = (self.doors.ledger.snapshot(), self.streams()?);
        let arn = &input.stream_arn;
        let facts = streams.stream(&snapshot, arn).ok_or_else(|| no_stream(arn))?;
        let mut shards = streams.shards(&snapshot, arn).map_err(|_| fault())?;
        if let Some(parent) = input.shard_filter.and_then(|filter| filter.shard_id) {
            shards.retain(|shard| shard.parent.as_ref() == Some(&parent));
        }
        let after = input.exclusive_start_shard_id;
        let at = after.and_then(|id| shards.iter().position(|shard| shard.id == id));
        let rest = &shards[at.map_or(0, |at| at + 1)..];
        let page = &rest[..rest.len().min(limit(input.limit))];
        let mut description = render::description(facts, page);
        if page.len() < rest.len() {
            description.last_evaluated_shard_id = page.last().map(|shard| shard.id.clone());
        }
        Ok(DescribeStreamOutput { stream_description: Some(description) })
    }
}
