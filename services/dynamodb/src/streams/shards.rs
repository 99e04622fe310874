//! A stream's shards: one is open, and gives way to the next after four hours.

use std::time::Duration;

use haar_dynamodb_contract::peek::{Sequence, ShardFacts};
use haar_kv::KvError;
use haar_types::Timestamp;

use super::{Streams, number_of};

/// How long a shard takes records. *Ours*: AWS says "typically" no more.
pub(crate) const SHARD_OPEN_FOR: Duration = Duration::from_secs(4 * 60 * 60);

/// How long records can be read. AWS docs: *Developer Guide > Change data capture for DynamoDB
/// Streams*.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Numbers that one millisecond has.
const NUMBERS_A_MILLI: u32 = 20;

/// Where a shard begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) first: Sequence,
    pub(crate) opened_at: Timestamp,
}

/// The first number of a moment.
pub(crate) fn first_of(at: Timestamp) -> Sequence {
    u64::try_from(at.0).unwrap_or(0) << NUMBERS_A_MILLI
}

/// The last number of a moment.
pub(crate) fn last_of(at: Timestamp) -> Sequence {
    first_of(at) | ((1 << NUMBERS_A_MILLI) - 1)
}

impl Start {
    /// As AWS forms it: a time in twenty digits, and eight hexadecimal ones.
    fn id(self) -> String {
        let mixed = self.first.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        format!("shardId-{:020}-{mixed:08x}", self.opened_at.0)
    }
}

/// The shards that are known, oldest first.
pub(super) fn starts(
    streams: &Streams,
    id: u64,
    created_at: Timestamp,
) -> Result<Vec<Start>, KvError> {
    let mut starts = vec![Start { first: first_of(created_at), opened_at: created_at }];
    for entry in streams.shards.prefix(id.to_be_bytes()) {
        let entry = entry?;
        let opened_at = entry.value.first_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes));
        if let (Some(first), Some(at)) = (number_of(&entry.key), opened_at) {
            starts.push(Start { first, opened_at: Timestamp(at) });
        }
    }
    Ok(starts)
}

/// Shards as readers see them: those that ended before all records that are kept are gone.
pub(super) fn facts(
    starts: &[Start],
    ended: Option<Sequence>,
    horizon: Sequence,
) -> Vec<ShardFacts> {
    let mut facts: Vec<ShardFacts> = Vec::new();
    let mut parent = None;
    for (at, start) in starts.iter().enumerate() {
        let last = starts.get(at + 1).map(|next| next.first - 1).or(ended);
        if last.is_none_or(|last| last >= horizon) {
            facts.push(ShardFacts { id: start.id(), parent, first: start.first, last });
        }
        parent = Some(start.id());
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_follow_each_other_and_go_when_their_records_have() {
        let start = |at: i64| Start { first: first_of(Timestamp(at)), opened_at: Timestamp(at) };
        let starts = [start(1_000), start(2_000), start(3_000)];
        let all = facts(&starts, None, 0);
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].parent.clone(), all[1].parent.clone()), (None, Some(all[0].id.clone())));
        assert_eq!(all[0].last, Some(all[1].first - 1));
        assert_eq!(all[2].last, None);
        assert!(all[0].id.starts_with("shardId-00000000000000001000-"), "{}", all[0].id);

        let later = facts(&starts, None, first_of(Timestamp(2_500)));
        assert_eq!(later, all[1..]);
        let ended = facts(&starts, Some(last_of(Timestamp(4_000))), first_of(Timestamp(5_000)));
        assert_eq!(ended, []);
    }
}
