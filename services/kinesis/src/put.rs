//! How records come in.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use haar_kernel::Call;
use haar_kinesis_contract::StreamStatus;
use haar_kv::{Batch, KvError};
use haar_wire::AwsError;
use parking_lot::MutexGuard;

use crate::Kinesis;
use crate::lookup::find_stream;
use crate::records::Stored;
use crate::refusal::{invalid_argument, no_stream};
use crate::rules::hash_key;
use crate::rules::sequence::{Sequence, next_tick};
use crate::state::{ShardRow, StreamKey, StreamRow, open_shards};
use crate::tips::{Phase, Tip, TipState};

/// A record that is to be written.
pub(crate) struct Incoming {
    pub(crate) partition_key: String,
    pub(crate) hash_key: u128,
    pub(crate) data: Bytes,
}

/// Where a record went, or which shard had no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    At(u32, Sequence),
    Throttled(u32),
}

/// What a request wrote.
pub(crate) struct Written {
    pub(crate) stream: Arc<StreamRow>,
    /// In the order of the records.
    pub(crate) placed: Vec<Placed>,
}

impl Incoming {
    /// Reads what a request gives.
    pub(crate) fn read(
        partition_key: String,
        explicit: Option<&str>,
        data: Bytes,
    ) -> Result<Self, AwsError> {
        let hash_key = match explicit {
            None => hash_key::of_partition_key(&partition_key),
            Some(text) => hash_key::parse(text).ok_or_else(|| {
                invalid_argument(format!(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. \
                     Specified value was {text}"
                ))
            })?,
        };
        Ok(Self { partition_key, hash_key, data })
    }

    /// What it counts: data and partition key.
    pub(crate) fn len(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// A shard with the records that belong into it, by their places in the request.
type Share = (Arc<ShardRow>, Arc<Tip>, Vec<usize>);

impl Kinesis {
    /// Writes records; they are on disk when this resolves.
    pub(crate) async fn put(
        &self,
        call: &Call,
        key: &StreamKey,
        incoming: Vec<Incoming>,
    ) -> Result<Written, AwsError> {
        loop {
            let snapshot = self.doors.ledger.snapshot();
            let stream = find_stream(&snapshot, key)?;
            if !matches!(stream.status, StreamStatus::Active | StreamStatus::Updating) {
                return Err(no_stream(key));
            }
            check_sizes(&stream, &incoming)?;
            let open: Vec<_> = open_shards(&snapshot, &stream).collect();
            let shares = self.shares(&open, &incoming).map_err(unreachable_records)?;
            if shares.iter().map(|share| share.2.len()).sum::<usize>() < incoming.len() {
                return Err(AwsError::internal_failure("the shards do not cover all hash keys"));
            }
            let mut waits: Vec<_> = shares.iter().map(|share| share.1.grown.subscribe()).collect();
            match self.write(call, &stream, &shares, &incoming) {
                Ok(placed) => {
                    if placed.iter().any(|one| matches!(one, Placed::Throttled(_))) {
                        self.grow(&stream, call.now);
                    }
                    self.records.sync().await.map_err(unreachable_records)?;
                    return Ok(Written { stream, placed });
                }
                Err(Unwritten::Broken(error)) => return Err(unreachable_records(error)),
                // A shard is being closed: another takes its place.
                Err(Unwritten::Closing(at)) => drop(waits[at].changed().await),
                Err(Unwritten::Closed) => {}
            }
        }
    }

    /// Finds each record's shard.
    fn shares(&self, open: &[Arc<ShardRow>], incoming: &[Incoming]) -> Result<Vec<Share>, KvError> {
        let mut shares: BTreeMap<u32, Share> = BTreeMap::new();
        let now = self.doors.clock.moment();
        for (place, record) in incoming.iter().enumerate() {
            let holds = |shard: &&Arc<ShardRow>| {
                (shard.hash_keys.0..=shard.hash_keys.1).contains(&record.hash_key)
            };
            let Some(shard) = open.iter().find(holds) else { continue };
            if let Some(share) = shares.get_mut(&shard.key.number) {
                share.2.push(place);
                continue;
            }
            let tip = self.tips.tip(&self.records, shard, now)?;
            shares.insert(shard.key.number, (Arc::clone(shard), tip, vec![place]));
        }
        Ok(shares.into_values().collect())
    }

    /// Numbers the records and writes them while their shards' ends are held.
    fn write(
        &self,
        call: &Call,
        stream: &StreamRow,
        shares: &[Share],
        incoming: &[Incoming],
    ) -> Result<Vec<Placed>, Unwritten> {
        // Held in the order of the shards' numbers, so that no two requests wait for each other.
        let mut ends: Vec<MutexGuard<'_, TipState>> = Vec::with_capacity(shares.len());
        for (at, (_, tip, _)) in shares.iter().enumerate() {
            let end = tip.state.lock();
            match end.phase {
                Phase::Open => ends.push(end),
                Phase::Closing => return Err(Unwritten::Closing(at)),
                Phase::Closed => return Err(Unwritten::Closed),
            }
        }
        let now = self.doors.clock.moment();
        let mut placed = vec![None; incoming.len()];
        let mut batch = Batch::new();
        for ((shard, _, places), end) in shares.iter().zip(&mut ends) {
            let mut last = end.last;
            for place in places {
                let record = &incoming[*place];
                if !takes(end, record.len(), now) {
                    placed[*place] = Some(Placed::Throttled(shard.key.number));
                    continue;
                }
                last = next_tick(last, call.now);
                let sequence = Sequence::new(last, shard.key.number);
                let stored = Stored {
                    sequence,
                    arrived_at: call.now,
                    is_encrypted: stream.key_id.is_some(),
                    partition_key: record.partition_key.clone(),
                    data: record.data.clone(),
                };
                self.records.stage(&mut batch, shard.key, &stored);
                placed[*place] = Some(Placed::At(shard.key.number, sequence));
            }
            end.last = last;
        }
        self.records.apply(batch).map_err(Unwritten::Broken)?;
        drop(ends);
        for (_, tip, _) in shares {
            tip.wake();
        }
        Ok(placed.into_iter().flatten().collect())
    }
}

/// Why nothing was written.
enum Unwritten {
    /// The shard of the share at this place is being closed.
    Closing(usize),
    /// A shard is closed: the rows tell of others.
    Closed,
    Broken(KvError),
}

/// Takes a record into account; false where its shard has no room in this second.
fn takes(end: &mut TipState, len: usize, now: haar_clock::Moment) -> bool {
    let fits = end.written_bytes.holds(len as f64, now) && end.written_records.holds(1.0, now);
    if fits {
        end.written_bytes.take(len as f64);
        end.written_records.take(1.0);
    }
    fits
}

/// Refuses records that are larger than the stream takes.
fn check_sizes(stream: &StreamRow, incoming: &[Incoming]) -> Result<(), AwsError> {
    let most = usize::try_from(stream.record_kib_max).unwrap_or(1024) * 1024;
    match incoming.iter().any(|record| record.len() > most) {
        true => Err(invalid_argument(format!(
            "Record size exceeds the maximum record size of the stream: {} KiB",
            stream.record_kib_max
        ))),
        false => Ok(()),
    }
}

/// The store failed.
pub(crate) fn unreachable_records(error: KvError) -> AwsError {
    tracing::error!(%error, "could not reach the records of a stream");
    match error {
        KvError::Full(_) => AwsError::disk_full(),
        _ => AwsError::internal_failure("the records could not be reached"),
    }
}
