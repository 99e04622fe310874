//! Streams and records as answers show them.

use std::collections::BTreeMap;

use haar_dynamodb_contract::AttributeValue as TableValue;
use haar_dynamodb_contract::peek::{
    ShardFacts, StreamEntry, StreamEvent, StreamFacts, shown_sequence,
};
use haar_dynamodbstreams_contract::{
    AttributeValue, Identity, KeySchemaElement, KeyType, OperationType, Record,
    SequenceNumberRange, Shard, Stream, StreamDescription, StreamRecord, StreamStatus,
    StreamViewType,
};
use haar_types::{Region, Timestamp};

/// A stream in a list.
pub(crate) fn stream(facts: StreamFacts) -> Stream {
    Stream {
        stream_arn: Some(facts.arn),
        table_name: Some(facts.table),
        stream_label: Some(facts.label),
    }
}

/// A stream by itself.
pub(crate) fn description(facts: StreamFacts, shards: &[ShardFacts]) -> StreamDescription {
    let element = |one: haar_dynamodb_contract::KeySchemaElement| KeySchemaElement {
        key_type: match one.key_type {
            haar_dynamodb_contract::KeyType::Hash => KeyType::Hash,
            haar_dynamodb_contract::KeyType::Range => KeyType::Range,
        },
        attribute_name: one.attribute_name,
    };
    let status = if facts.is_enabled { StreamStatus::Enabled } else { StreamStatus::Disabled };
    StreamDescription {
        stream_view_type: view(&facts),
        stream_arn: Some(facts.arn),
        stream_label: Some(facts.label),
        stream_status: Some(status),
        creation_request_date_time: Some(facts.created_at),
        table_name: Some(facts.table),
        key_schema: Some(facts.keys.into_iter().map(element).collect()),
        shards: Some(shards.iter().map(shard).collect()),
        last_evaluated_shard_id: None,
    }
}

fn view(facts: &StreamFacts) -> Option<StreamViewType> {
    facts.view.as_str().parse().ok()
}

fn shard(facts: &ShardFacts) -> Shard {
    Shard {
        shard_id: Some(facts.id.clone()),
        sequence_number_range: Some(SequenceNumberRange {
            starting_sequence_number: Some(shown_sequence(facts.first)),
            ending_sequence_number: facts.last.map(shown_sequence),
        }),
        parent_shard_id: facts.parent.clone(),
    }
}

/// One record of a stream.
pub(crate) fn record(facts: &StreamFacts, region: &Region, entry: StreamEntry) -> Record {
    let name = match entry.event {
        StreamEvent::Insert => OperationType::Insert,
        StreamEvent::Modify => OperationType::Modify,
        StreamEvent::Remove => OperationType::Remove,
    };
    let identity = || Identity {
        principal_id: Some("dynamodb.amazonaws.com".to_owned()),
        r#type: Some("Service".to_owned()),
    };
    Record {
        event_id: Some(event_id(&facts.arn, entry.sequence)),
        event_name: Some(name),
        event_version: Some("1.1".to_owned()),
        event_source: Some("aws:dynamodb".to_owned()),
        aws_region: Some(region.to_string()),
        user_identity: entry.is_expiry.then(identity),
        dynamodb: Some(StreamRecord {
            // whole seconds, as AWS answers
            approximate_creation_date_time: Some(Timestamp(entry.at.seconds() * 1000)),
            keys: Some(item(entry.keys)),
            new_image: entry.new_image.map(item),
            old_image: entry.old_image.map(item),
            sequence_number: Some(shown_sequence(entry.sequence)),
            size_bytes: Some(entry.size_bytes),
            stream_view_type: view(facts),
        }),
    }
}

/// 32 hexadecimal digits that no other record has: a record is known again by them.
fn event_id(arn: &str, sequence: u64) -> String {
    let stream = arn.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{:016x}{:016x}", stream, sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn item(from: BTreeMap<String, TableValue>) -> BTreeMap<String, AttributeValue> {
    from.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(from: TableValue) -> AttributeValue {
    AttributeValue {
        s: from.s,
        n: from.n,
        b: from.b,
        ss: from.ss,
        ns: from.ns,
        bs: from.bs,
        m: from.m.map(item),
        l: from.l.map(|list| list.into_iter().map(attribute).collect()),
        null: from.null,
        bool: from.bool,
    }
}
