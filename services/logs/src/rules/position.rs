//! Places in a log: event ids and the tokens of `GetLogEvents`, as AWS writes them.

use haar_types::Timestamp;

/// Digits of an event id.
const DIGITS: usize = 56;

/// Where an event stands: by its time, then by when it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The event's own time.
    pub(crate) timestamp: Timestamp,
    /// Ascends with ingestion over the whole of haar; never the same twice.
    pub(crate) sequence: u64,
}

/// The latest multiple of `step` that is not after `at`.
pub(crate) fn floor_to(at: Timestamp, step: std::time::Duration) -> Timestamp {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    Timestamp(at.0.div_euclid(step) * step)
}

/// Which way a token of `GetLogEvents` leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To events behind the position.
    Forward,
    /// To events before it.
    Backward,
}

impl Position {
    /// Before all events of a time and later.
    pub(crate) fn start_of(timestamp: Timestamp) -> Self {
        Self { timestamp, sequence: 0 }
    }

    /// When the event came in: the sequence's upper bits.
    pub(crate) fn ingested_at(self) -> Timestamp {
        Timestamp(i64::try_from(self.sequence >> SEQUENCE_BITS).unwrap_or(i64::MAX))
    }

    /// The first sequence of a millisecond.
    pub(crate) fn sequence_at(now: Timestamp) -> u64 {
        u64::try_from(now.0).unwrap_or(0) << SEQUENCE_BITS
    }

    /// 56 digits, in the order of positions: milliseconds · 2^144 + sequence · 2^80 + low bits.
    pub(crate) fn digits(self, low: u64) -> String {
        let millis = u64::try_from(self.timestamp.0).unwrap_or(0);
        let limbs =
            [millis << 16 | self.sequence >> 48, self.sequence << 16 | low >> 48, low << 16];
        decimal(limbs)
    }

    /// A token of `GetLogEvents`.
    pub(crate) fn token(self, direction: Direction) -> String {
        let letter = if direction == Direction::Forward { 'f' } else { 'b' };
        format!("{letter}/{}/s", self.digits(0))
    }

    /// Reads a token back.
    pub(crate) fn parse_token(token: &str) -> Option<(Direction, Self)> {
        let (letter, rest) = token.split_once('/')?;
        let direction = match letter {
            "f" => Direction::Forward,
            "b" => Direction::Backward,
            _ => return None,
        };
        let digits = rest.strip_suffix("/s").unwrap_or(rest);
        let [high, middle, _] = limbs(digits)?;
        let timestamp = Timestamp(i64::try_from(high >> 16).ok()?);
        Some((direction, Self { timestamp, sequence: high << 48 | middle >> 16 }))
    }
}

/// Bits of a sequence that count within one millisecond.
const SEQUENCE_BITS: u32 = 20;

/// Three 64-bit limbs, the greatest first, as [`DIGITS`] digits.
fn decimal(mut limbs: [u64; 3]) -> String {
    let mut digits = vec![b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u128;
        for limb in &mut limbs {
            let value = rest << 64 | u128::from(*limb);
            *limb = (value / 10) as u64;
            rest = value % 10;
        }
        *digit += rest as u8;
    }
    digits.into_iter().map(char::from).collect()
}

fn limbs(digits: &str) -> Option<[u64; 3]> {
    if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut limbs = [0_u64; 3];
    for digit in digits.bytes() {
        let mut carry = u128::from(digit - b'0');
        for limb in limbs.iter_mut().rev() {
            let value = u128::from(*limb) * 10 + carry;
            *limb = value as u64;
            carry = value >> 64;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(limbs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_position() {
        for (millis, sequence) in [(0, 0), (1, u64::MAX), (1_800_000_000_123, 1 << 60 | 77)] {
            let position = Position { timestamp: Timestamp(millis), sequence };
            for direction in [Direction::Forward, Direction::Backward] {
                let token = position.token(direction);
                assert_eq!(token.len(), 60);
                assert_eq!(Position::parse_token(&token), Some((direction, position)));
            }
        }
    }

    #[test]
    fn digits_ascend_with_positions_and_look_like_those_of_aws() {
        let at = |millis, sequence| Position { timestamp: Timestamp(millis), sequence };
        let early = at(1_396_035_378_988, 5);
        assert!(early.digits(0).starts_with("311326292"), "{}", early.digits(0));
        assert!(early.digits(0) < early.digits(1));
        assert!(early.digits(u64::MAX) < at(1_396_035_378_988, 6).digits(0));
        assert!(at(1_396_035_378_988, u64::MAX).digits(9) < at(1_396_035_378_989, 0).digits(0));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let nines = format!("f/{}/s", "9".repeat(56));
        for token in ["", "f", "x/1/s", "f/123/s", &nines, &format!("f/{}/s", "a".repeat(56))] {
            let found = Position::parse_token(token);
            assert!(found.is_none() || token == nines, "{token}: {found:?}");
        }
    }
}
