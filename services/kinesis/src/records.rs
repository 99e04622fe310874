//! Records on disk, by stream, shard and sequence number.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::Timestamp;

use crate::rules::sequence::Sequence;
use crate::state::ShardKey;

/// The record was written while its stream was said to be encrypted.
const ENCRYPTED: u8 = 1;

/// All records of this haar.
pub(crate) struct RecordStore {
    kv: Kv,
    records: Keyspace,
}

/// One stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) sequence: Sequence,
    pub(crate) arrived_at: Timestamp,
    pub(crate) is_encrypted: bool,
    pub(crate) partition_key: String,
    pub(crate) data: Bytes,
}

impl Stored {
    /// What it counts: data and partition key.
    pub(crate) fn len(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

impl RecordStore {
    /// Opens the records in `kv`.
    pub(crate) fn open(kv: &Kv) -> Result<Self, KvError> {
        Ok(Self { kv: kv.clone(), records: kv.keyspace("kinesis.record")? })
    }

    /// Adds a record to a batch.
    pub(crate) fn stage(&self, batch: &mut Batch, shard: ShardKey, record: &Stored) {
        batch.put(&self.records, key(shard, record.sequence), encode(record));
    }

    /// Writes a batch, visible at once.
    pub(crate) fn apply(&self, batch: Batch) -> Result<(), KvError> {
        self.kv.apply(batch)
    }

    /// Waits until all that was written is on disk.
    pub(crate) async fn sync(&self) -> Result<(), KvError> {
        self.kv.sync().await
    }

    /// The last record's number.
    pub(crate) fn last(&self, shard: ShardKey) -> Result<Option<Sequence>, KvError> {
        let last = self.records.prefix(prefix(shard)).next_back().transpose()?;
        Ok(last.and_then(|entry| sequence_of(&entry.key)))
    }

    /// A shard's records from a number on.
    pub(crate) fn from(
        &self,
        shard: ShardKey,
        from: Sequence,
    ) -> impl Iterator<Item = Result<Stored, KvError>> + use<> {
        let last = Sequence::of_bits(u128::MAX);
        let range = self.records.range(key(shard, from)..=key(shard, last));
        range.filter_map(|entry| match entry {
            Ok(entry) => decode(&entry.key, entry.value).map(Ok),
            Err(error) => Some(Err(error)),
        })
    }

    /// Removes a shard's records before a number.
    pub(crate) async fn trim(&self, shard: ShardKey, before: Sequence) -> Result<usize, KvError> {
        self.records.clear_range(prefix(shard)..key(shard, before)).await
    }

    /// Removes all records of a stream's incarnation.
    pub(crate) async fn purge(&self, stream: u64) -> Result<usize, KvError> {
        self.records.clear_prefix(stream.to_be_bytes()).await
    }
}

fn prefix(shard: ShardKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(28);
    key.extend(shard.stream.to_be_bytes());
    key.extend(shard.number.to_be_bytes());
    key
}

fn key(shard: ShardKey, sequence: Sequence) -> Vec<u8> {
    let mut key = prefix(shard);
    key.extend(sequence.bits().to_be_bytes());
    key
}

fn sequence_of(key: &[u8]) -> Option<Sequence> {
    let bits = key.last_chunk::<16>()?;
    Some(Sequence::of_bits(u128::from_be_bytes(*bits)))
}

fn encode(record: &Stored) -> Bytes {
    let mut out = BytesMut::with_capacity(11 + record.len());
    out.put_i64(record.arrived_at.0);
    out.put_u8(if record.is_encrypted { ENCRYPTED } else { 0 });
    out.put_u16(u16::try_from(record.partition_key.len()).unwrap_or(u16::MAX));
    out.put_slice(record.partition_key.as_bytes());
    out.put_slice(&record.data);
    out.freeze()
}

fn decode(key: &[u8], mut value: Bytes) -> Option<Stored> {
    if value.len() < 11 {
        return None;
    }
    let sequence = sequence_of(key)?;
    let arrived_at = Timestamp(value.get_i64());
    let is_encrypted = value.get_u8() == ENCRYPTED;
    let len = usize::from(value.get_u16());
    if value.len() < len {
        return None;
    }
    let partition_key = String::from_utf8(value.split_to(len).to_vec()).ok()?;
    Some(Stored { sequence, arrived_at, is_encrypted, partition_key, data: value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn records_come_back_in_order_and_go_when_trimmed() {
        let store = RecordStore::open(&Kv::ephemeral()).unwrap();
        let shard = ShardKey { stream: 7, number: 1 };
        let record = |tick: u128| Stored {
            sequence: Sequence::new(tick, 1),
            arrived_at: Timestamp(5),
            is_encrypted: tick == 2,
            partition_key: "ключ".to_owned(),
            data: Bytes::from(vec![0, 255, u8::try_from(tick).unwrap()]),
        };
        let mut batch = Batch::new();
        for tick in [3, 1, 2] {
            store.stage(&mut batch, shard, &record(tick));
        }
        store.apply(batch).unwrap();
        let all: Result<Vec<_>, _> = store.from(shard, Sequence::new(2, 1)).collect();
        assert_eq!(all.unwrap(), [record(2), record(3)]);
        assert_eq!(store.last(shard).unwrap(), Some(Sequence::new(3, 1)));
        assert_eq!(store.trim(shard, Sequence::new(3, 1)).await.unwrap(), 2);
        assert_eq!(store.last(ShardKey { stream: 7, number: 2 }).unwrap(), None);
        assert_eq!(store.purge(7).await.unwrap(), 1);
    }
}
