//! Which shards a listing shows. AWS docs: *Kinesis Data Streams API Reference > ShardFilter*.

use haar_kinesis_contract::ShardFilterType;
use haar_types::Timestamp;

use crate::state::ShardRow;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All that are kept.
    All,
    /// Those behind this number.
    After(u32),
    /// Those that are open.
    Open,
    /// Those that were open at this time.
    At(Timestamp),
    /// Those that were open at this time or later.
    From(Timestamp),
}

impl Wanted {
    /// Reads a filter; its number and time are those that the request gave. `horizon` is where
    /// the kept records begin.
    pub(crate) fn of(
        kind: ShardFilterType,
        number: Option<u32>,
        time: Option<Timestamp>,
        horizon: Timestamp,
    ) -> Result<Self, &'static str> {
        let id = "ShardFilter of type AFTER_SHARD_ID needs a ShardId.";
        let at = "ShardFilter of this type needs a Timestamp.";
        Ok(match kind {
            ShardFilterType::AfterShardId => Self::After(number.ok_or(id)?),
            ShardFilterType::AtTrimHorizon => Self::At(horizon),
            ShardFilterType::FromTrimHorizon => Self::All,
            ShardFilterType::AtLatest => Self::Open,
            ShardFilterType::AtTimestamp => Self::At(time.ok_or(at)?.max(horizon)),
            ShardFilterType::FromTimestamp => Self::From(time.ok_or(at)?.max(horizon)),
        })
    }

    /// True for a shard that it shows.
    pub(crate) fn shows(self, shard: &ShardRow, stream_created_at: Timestamp) -> bool {
        // What was asked before there was a stream is asked of its beginning.
        let at = |time: Timestamp| time.max(stream_created_at);
        match self {
            Self::All => true,
            Self::After(number) => shard.key.number > number,
            Self::Open => shard.closed_at.is_none(),
            Self::At(time) => {
                shard.created_at <= at(time) && shard.closed_at.is_none_or(|end| end > at(time))
            }
            Self::From(time) => shard.closed_at.is_none_or(|end| end > time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sequence::Sequence;
    use crate::state::ShardKey;

    fn shard(number: u32, created: i64, closed: Option<i64>) -> ShardRow {
        ShardRow {
            key: ShardKey { stream: 1, number },
            hash_keys: (0, 0),
            parents: Vec::new(),
            start: Sequence::new(0, number),
            end: closed.map(|_| Sequence::new(9, number)),
            created_at: Timestamp(created),
            closed_at: closed.map(Timestamp),
        }
    }

    #[test]
    fn shards_are_shown_by_when_they_were_open() {
        let all = [shard(0, 10, Some(20)), shard(1, 20, Some(30)), shard(2, 30, None)];
        let shown = |wanted: Wanted| -> Vec<u32> {
            let fits = all.iter().filter(|one| wanted.shows(one, Timestamp(10)));
            fits.map(|one| one.key.number).collect()
        };
        assert_eq!(shown(Wanted::All), [0, 1, 2]);
        assert_eq!(shown(Wanted::Open), [2]);
        assert_eq!(shown(Wanted::After(0)), [1, 2]);
        assert_eq!(shown(Wanted::At(Timestamp(25))), [1]);
        assert_eq!(shown(Wanted::At(Timestamp(5))), [0]);
        assert_eq!(shown(Wanted::From(Timestamp(25))), [1, 2]);
    }

    #[test]
    fn a_filter_needs_what_its_kind_needs() {
        let of = |kind| Wanted::of(kind, None, None, Timestamp(7));
        assert!(of(ShardFilterType::AfterShardId).is_err());
        assert!(of(ShardFilterType::AtTimestamp).is_err());
        assert_eq!(of(ShardFilterType::AtTrimHorizon), Ok(Wanted::At(Timestamp(7))));
    }
}
