//! Consumers with throughput of their own.

use haar_kernel::{Answer, Call, Command, Query, page, read_token};
use haar_kinesis_contract::{
    ConsumerStatus, DeregisterStreamConsumer, DeregisterStreamConsumerInput,
    DeregisterStreamConsumerOutput, DescribeStreamConsumer, DescribeStreamConsumerInput,
    DescribeStreamConsumerOutput, ListStreamConsumers, ListStreamConsumersInput,
    ListStreamConsumersOutput, RegisterStreamConsumer, RegisterStreamConsumerInput,
    RegisterStreamConsumerOutput, StreamMode, StreamStatus,
};
use haar_ledger::{Snapshot, Tx};

use super::tag::add_tags;
use crate::Kinesis;
use crate::lookup::{find, find_consumer};
use crate::refusal::{bad_token, in_use, limit_exceeded, not_active};
use crate::render::{consumer, consumer_description};
use crate::state::{ConsumerKey, ConsumerRow, StreamRow, consumers};

/// Consumers of a page unless the request says fewer.
const PAGE: usize = 100;

/// Consumers of a stream at most. AWS docs: *Quotas and limits*.
fn consumers_max(stream: &StreamRow) -> usize {
    match stream.mode {
        StreamMode::Provisioned | StreamMode::OnDemand => 20,
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > RegisterStreamConsumer*.
impl Command<RegisterStreamConsumer> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RegisterStreamConsumerInput,
    ) -> Answer<RegisterStreamConsumer> {
        let stream = find(tx, call, None, Some(&input.stream_arn))?;
        if matches!(stream.status, StreamStatus::Creating | StreamStatus::Deleting) {
            return Err(not_active(&stream.key, stream.status));
        }
        let key = ConsumerKey { stream: stream.key.clone(), name: input.consumer_name };
        if tx.contains::<ConsumerRow>(&key) {
            return Err(in_use(format!(
                "Consumer {} under stream {} already exists for account {}.",
                key.name, stream.key.name, stream.key.account
            )));
        }
        let most = consumers_max(&stream);
        if consumers(tx, &stream.key).count() >= most {
            return Err(limit_exceeded(format!(
                "Stream {} under account {} has {most} registered consumers, which is the most.",
                stream.key.name, stream.key.account
            )));
        }
        let mut row = ConsumerRow {
            key,
            status: ConsumerStatus::Creating,
            created_at: call.now,
            tags: Default::default(),
            policy: None,
        };
        add_tags(&mut row.tags, input.tags.unwrap_or_default())?;
        let shown = consumer(&row);
        tx.put(row);
        Ok(RegisterStreamConsumerOutput { consumer: shown })
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > DeregisterStreamConsumer*.
impl Command<DeregisterStreamConsumer> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeregisterStreamConsumerInput,
    ) -> Answer<DeregisterStreamConsumer> {
        let (arn, stream) = (input.consumer_arn.as_deref(), input.stream_arn.as_deref());
        let row = find_consumer(tx, call, arn, stream, input.consumer_name.as_deref())?;
        tx.put(ConsumerRow { status: ConsumerStatus::Deleting, ..ConsumerRow::clone(&row) });
        Ok(DeregisterStreamConsumerOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > DescribeStreamConsumer*.
impl Query<DescribeStreamConsumer> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeStreamConsumerInput,
    ) -> Answer<DescribeStreamConsumer> {
        let (arn, stream) = (input.consumer_arn.as_deref(), input.stream_arn.as_deref());
        let row = find_consumer(snapshot, call, arn, stream, input.consumer_name.as_deref())?;
        Ok(DescribeStreamConsumerOutput { consumer_description: consumer_description(&row) })
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > ListStreamConsumers*.
impl Query<ListStreamConsumers> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListStreamConsumersInput,
    ) -> Answer<ListStreamConsumers> {
        let stream = find(snapshot, call, None, Some(&input.stream_arn))?;
        let scope = format!("kinesis.ListStreamConsumers/{}", stream.key.arn());
        let token = input.next_token.as_deref();
        let after = token.map(|token| read_token(&scope, token).map_err(|_| bad_token()));
        let after = after.transpose()?;
        let limit = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
        let all = consumers(snapshot, &stream.key);
        let rest = all.filter(|row| after.as_ref().is_none_or(|after| row.key.name > *after));
        let page = page(rest, limit.min(PAGE), &scope, |row| row.key.name.clone());
        Ok(ListStreamConsumersOutput {
            consumers: Some(page.items.iter().map(|row| consumer(row)).collect()),
            next_token: page.next,
        })
    }
}
