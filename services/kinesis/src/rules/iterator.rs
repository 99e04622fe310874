//! Shard iterators: a place in a shard, for five minutes.

use std::time::Duration;

use haar_kernel::{mint_token, read_token};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::refusal::{expired_iterator, invalid_argument};
use crate::rules::sequence::Sequence;
use crate::state::StreamKey;

/// For how long an iterator may be used. AWS docs: *GetShardIterator*.
const LIFETIME: Duration = Duration::from_secs(300);
const SCOPE: &str = "kinesis.iterator";

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Iterator {
    pub(crate) stream: StreamKey,
    /// The stream's incarnation.
    pub(crate) id: u64,
    pub(crate) shard: u32,
    /// The first sequence number that may be read.
    pub(crate) from: Sequence,
    pub(crate) minted_at: Timestamp,
}

impl Iterator {
    /// As the wire has it.
    pub(crate) fn token(&self) -> String {
        let StreamKey { account, region, name } = &self.stream;
        let (id, shard, from, at) = (self.id, self.shard, self.from.bits(), self.minted_at.0);
        mint_token(SCOPE, &format!("{account}/{region}/{name}/{id:x}/{shard:x}/{from:x}/{at:x}"))
    }

    /// Reads what [`Self::token`] wrote.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let text = read_token(SCOPE, token).ok()?;
        let [account, region, name, id, shard, from, at] =
            text.split('/').collect::<Vec<_>>().try_into().ok()?;
        let (account, region) = (account.parse().ok()?, region.parse().ok()?);
        Some(Self {
            stream: StreamKey { account, region, name: name.to_owned() },
            id: u64::from_str_radix(id, 16).ok()?,
            shard: u32::from_str_radix(shard, 16).ok()?,
            from: Sequence::of_bits(u128::from_str_radix(from, 16).ok()?),
            minted_at: Timestamp(i64::from_str_radix(at, 16).ok()?),
        })
    }

    /// Reads an iterator that may still be used.
    pub(crate) fn read(token: &str, now: Timestamp) -> Result<Self, AwsError> {
        let read = Self::parse(token).ok_or_else(|| invalid_argument("Invalid ShardIterator."))?;
        if now.since(read.minted_at) > LIFETIME {
            return Err(expired_iterator(read.minted_at, now, LIFETIME));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iterator() -> Iterator {
        let (account, region) = (Default::default(), Default::default());
        let name = "n".repeat(128);
        Iterator {
            stream: StreamKey { account, region, name },
            id: u64::MAX,
            shard: 4095,
            from: Sequence::at(Timestamp(1_800_000_000_000), 4095),
            minted_at: Timestamp(1_800_000_000_000),
        }
    }

    #[test]
    fn an_iterator_is_read_back_and_fits_the_wire() {
        let token = iterator().token();
        assert!(token.len() <= 512, "{}", token.len());
        assert_eq!(Iterator::parse(&token), Some(iterator()));
        assert_eq!(Iterator::parse(&token[1..]), None);
    }

    #[test]
    fn it_may_be_used_for_five_minutes() {
        let (token, now) = (iterator().token(), iterator().minted_at);
        assert!(Iterator::read(&token, now + LIFETIME).is_ok());
        let late = Iterator::read(&token, now + LIFETIME + Duration::from_millis(1)).unwrap_err();
        assert_eq!(late.name(), "ExpiredIteratorException");
        assert_eq!(Iterator::read("x", now).unwrap_err().name(), "InvalidArgumentException");
    }
}
