//! Sequence numbers: they ascend within a shard and from a shard to its children, and tell
//! their shard and the time before which they were not given.
//!
//! Below a constant beginning they are, in bits: 44 of milliseconds, 44 of a count, 20 of the
//! shard's number. AWS documents no inside; this one is *Ours*.

use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What every sequence number begins with, so that all have AWS's 56 digits.
const BEGINNING: &str = "4966000000000000";
/// Digits behind the beginning.
const DIGITS: usize = 40;
/// Bits of the count below the milliseconds.
const COUNT_BITS: u32 = 44;
/// Bits of the shard's number.
const SHARD_BITS: u32 = 20;

/// When in the life of a stream: milliseconds, then a count.
pub(crate) type Tick = u128;

/// One sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Sequence(u64, u64);

impl Sequence {
    /// The number of a tick in a shard.
    pub(crate) fn new(tick: Tick, shard: u32) -> Self {
        let bits = tick << SHARD_BITS | u128::from(shard & ((1 << SHARD_BITS) - 1));
        Self((bits >> 64) as u64, bits as u64)
    }

    /// The first that a shard may give at a time.
    pub(crate) fn at(time: Timestamp, shard: u32) -> Self {
        Self::new(tick_at(time), shard)
    }

    /// Its tick.
    pub(crate) fn tick(self) -> Tick {
        self.bits() >> SHARD_BITS
    }

    /// The number of its shard, as far as it tells.
    pub(crate) fn shard(self) -> u32 {
        (self.bits() & ((1 << SHARD_BITS) - 1)) as u32
    }

    /// All of it, for keys.
    pub(crate) fn bits(self) -> u128 {
        u128::from(self.0) << 64 | u128::from(self.1)
    }

    /// The same from its key.
    pub(crate) fn of_bits(bits: u128) -> Self {
        Self((bits >> 64) as u64, bits as u64)
    }

    /// As the wire has it.
    pub(crate) fn text(self) -> String {
        format!("{BEGINNING}{:0width$}", self.bits(), width = DIGITS)
    }

    /// Reads what [`Self::text`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(BEGINNING).filter(|rest| rest.len() == DIGITS)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().map(Self::of_bits)
    }
}

/// The first tick of a time.
pub(crate) fn tick_at(time: Timestamp) -> Tick {
    u128::from(u64::try_from(time.0).unwrap_or(0)) << COUNT_BITS
}

/// The tick behind the last one, not before the time.
pub(crate) fn next_tick(last: Tick, now: Timestamp) -> Tick {
    (last + 1).max(tick_at(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn numbers_ascend_with_time_and_count_and_have_awss_length() {
        let first = Sequence::new(next_tick(0, NOW), 3);
        let second = Sequence::new(next_tick(first.tick(), NOW), 3);
        let later = Sequence::new(next_tick(second.tick(), Timestamp(NOW.0 + 1)), 3);
        assert!(first < second && second < later);
        assert!(first.text() < second.text() && second.text() < later.text());
        assert_eq!(first.text().len(), 56);
        assert_eq!((first.shard(), first), (3, Sequence::at(NOW, 3)));
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_number_again() {
        let last = next_tick(0, NOW);
        assert_eq!(next_tick(last, Timestamp(NOW.0 - 5_000)), last + 1);
    }

    #[test]
    fn a_text_is_read_back_and_others_are_not() {
        let number = Sequence::new(next_tick(0, NOW) + 77, 1_000);
        assert_eq!(Sequence::parse(&number.text()), Some(number));
        for text in ["0", "", "49", "4966000000000000", &format!("{}9", number.text())] {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
    }
}
