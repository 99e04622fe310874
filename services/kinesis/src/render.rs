//! Rows and records as the wire has them.

use haar_kinesis_contract::{
    ChildShard, Consumer, ConsumerDescription, EncryptionType, EnhancedMetrics, HashKeyRange,
    Record, SequenceNumberRange, Shard, StreamModeDetails, WarmThroughputObject,
};
use haar_ledger::Snapshot;

use crate::records::Stored;
use crate::state::{ConsumerRow, ShardKey, ShardRow, StreamRow, shards};

/// `shardId-000000000007`.
pub(crate) fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// The number in a shard's id.
pub(crate) fn shard_number(id: &str) -> Option<u32> {
    let digits = id.strip_prefix("shardId-").filter(|digits| digits.len() == 12)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// First and last hash key.
pub(crate) fn hash_key_range((first, last): (u128, u128)) -> HashKeyRange {
    HashKeyRange { starting_hash_key: first.to_string(), ending_hash_key: last.to_string() }
}

/// A shard; of its parents those that are still there are named.
pub(crate) fn shard(row: &ShardRow) -> Shard {
    let mut parents = row.parents.iter().copied().map(shard_id);
    Shard {
        shard_id: shard_id(row.key.number),
        parent_shard_id: parents.next(),
        adjacent_parent_shard_id: parents.next(),
        hash_key_range: hash_key_range(row.hash_keys),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: row.start.text(),
            ending_sequence_number: row.end.map(|end| end.text()),
        },
    }
}

/// The shards that a closed one became.
pub(crate) fn children(snapshot: &Snapshot, stream: &StreamRow, of: ShardKey) -> Vec<ChildShard> {
    let children = shards(snapshot, stream).filter(|row| row.parents.contains(&of.number));
    let shown = children.map(|row| ChildShard {
        shard_id: shard_id(row.key.number),
        parent_shards: row.parents.iter().copied().map(shard_id).collect(),
        hash_key_range: hash_key_range(row.hash_keys),
    });
    shown.collect()
}

/// A record.
pub(crate) fn record(stored: Stored) -> Record {
    Record {
        sequence_number: stored.sequence.text(),
        approximate_arrival_timestamp: Some(stored.arrived_at),
        data: stored.data,
        partition_key: stored.partition_key,
        encryption_type: stored.is_encrypted.then_some(EncryptionType::Kms),
    }
}

/// `StreamModeDetails`.
pub(crate) fn mode(stream: &StreamRow) -> StreamModeDetails {
    StreamModeDetails { stream_mode: stream.mode }
}

/// `EncryptionType`.
pub(crate) fn encryption(stream: &StreamRow) -> EncryptionType {
    if stream.key_id.is_some() { EncryptionType::Kms } else { EncryptionType::None }
}

/// `EnhancedMonitoring`.
pub(crate) fn monitoring(stream: &StreamRow) -> Vec<EnhancedMetrics> {
    let shard_level_metrics = Some(stream.shard_metrics.iter().copied().collect());
    vec![EnhancedMetrics { shard_level_metrics }]
}

/// `WarmThroughput`.
pub(crate) fn warm(stream: &StreamRow) -> Option<WarmThroughputObject> {
    let mibps = stream.warm_mibps;
    mibps.map(|_| WarmThroughputObject { target_mi_bps: mibps, current_mi_bps: mibps })
}

/// A consumer.
pub(crate) fn consumer(row: &ConsumerRow) -> Consumer {
    Consumer {
        consumer_name: row.key.name.clone(),
        consumer_arn: row.arn(),
        consumer_status: row.status,
        consumer_creation_timestamp: row.created_at,
    }
}

/// A consumer with its stream.
pub(crate) fn consumer_description(row: &ConsumerRow) -> ConsumerDescription {
    ConsumerDescription {
        consumer_name: row.key.name.clone(),
        consumer_arn: row.arn(),
        consumer_status: row.status,
        consumer_creation_timestamp: row.created_at,
        stream_arn: row.key.stream.arn(),
    }
}
