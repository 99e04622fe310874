//! How often, and how long, a delivery is tried.

use std::time::Duration;

use bytes::Bytes;
use haar_clock::IdSource;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Parcel, Verdict, back_off};

/// The wait after the first failure; each further one is twice as long. *Ours*: AWS says
/// exponential, with jitter.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// The longest wait. *Ours*: 185 attempts fit into a day.
const BACK_OFF_LONGEST: Duration = Duration::from_secs(600);

/// How long a dead letter is kept that is refused for the moment. *Ours*: as long as a queue keeps a
/// message at most.
const DEAD_LETTER_AGE_MAX: Duration = Duration::from_secs(14 * 86_400);

/// Why a delivery was given up, as its dead letter tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// The code of its last failure.
    pub code: String,
    /// The words of that.
    pub message: String,
    /// The limit that it came to.
    pub limit: Option<Exhausted>,
    /// How often it was tried again.
    pub retry_count: u32,
    /// When; none where an earlier version gave it up.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// What becomes of a parcel whose dead letter was refused: it is done with, unless the refusal
/// `may_pass`. Then the letter alone is tried again: `payload` is a parcel of that.
pub fn after_dead_letter(
    parcel: &Parcel,
    given_up: &GivenUp,
    may_pass: bool,
    now: Timestamp,
    payload: impl FnOnce() -> Bytes,
) -> Verdict {
    match may_pass && now.since(given_up.at.unwrap_or(parcel.sent_at)) < DEAD_LETTER_AGE_MAX {
        true => {
            let failed_count = parcel.failed_count.saturating_sub(given_up.retry_count);
            let wait = back_off(BACK_OFF_FIRST, BACK_OFF_LONGEST, failed_count);
            Verdict::Instead(payload(), wait)
        }
        false => Verdict::Done,
    }
}

/// Retries as EventBridge, Scheduler and Pipes have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after the first.
    pub attempts_max: u32,
    /// Age at which a delivery is given up.
    pub age_max: Duration,
}

/// Which limit a delivery has come to; shown as `EXHAUSTED_RETRY_CONDITION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exhausted {
    /// `MaximumRetryAttempts`.
    Attempts,
    /// `MaximumEventAgeInSeconds`.
    Age,
}

/// What becomes of a delivery after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is tried again after this wait.
    Again(Duration),
    /// It is given up: at once, or since a limit is reached.
    GivenUp(Option<Exhausted>),
}

impl Exhausted {
    /// As dead letters tell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "MaximumRetryAttempts",
            Self::Age => "MaximumEventAgeInSeconds",
        }
    }
}

impl Retries {
    /// The usual limits, with those that a customer sets in their places.
    pub fn of(attempts_max: Option<i32>, age_max_in_seconds: Option<i32>) -> Self {
        let number = |given: Option<i32>, usual: u32| {
            given.map_or(usual, |given| u32::try_from(given).unwrap_or(0))
        };
        let age_max = Duration::from_secs(number(age_max_in_seconds, 86_400).into());
        Self { attempts_max: number(attempts_max, 185), age_max }
    }

    /// What a failed attempt asks for.
    pub fn after(
        &self,
        parcel: &Parcel,
        is_transient: bool,
        now: Timestamp,
        ids: &IdSource,
    ) -> Outcome {
        match is_transient {
            false => Outcome::GivenUp(None),
            true => match self.wait(parcel, now, ids) {
                Ok(wait) => Outcome::Again(wait),
                Err(limit) => Outcome::GivenUp(Some(limit)),
            },
        }
    }

    /// How long to wait after a failed attempt that may pass.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn wait(
        &self,
        parcel: &Parcel,
        now: Timestamp,
        ids: &IdSource,
    ) -> Result<Duration, Exhausted> {
        if parcel.failed_count >= self.attempts_max {
            return Err(Exhausted::Attempts);
        }
        let full = back_off(BACK_OFF_FIRST, BACK_OFF_LONGEST, parcel.failed_count);
        // Between half of the wait and all of it, so that many do not come back at once.
        let wait = full.mul_f64(0.5 + (ids.draw() % 1_000) as f64 / 2_000.0);
        if (now + wait).since(parcel.sent_at) > self.age_max {
            return Err(Exhausted::Age);
        }
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lane;

    fn parcel(failed_count: u32) -> Parcel {
        let (sent_at, lane) = (Timestamp(0), Lane::Shared(String::new()));
        let (payload, owner) = Default::default();
        Parcel { number: 1, lane, payload, sent_at, due_at: sent_at, failed_count, owner }
    }

    #[test]
    fn a_delivery_is_retried_until_its_attempts_or_its_age_are_used_up() {
        let ids = IdSource::seeded(1);
        let retries = Retries::of(Some(2), Some(60));
        let judge = |failed, now| retries.wait(&parcel(failed), Timestamp(now), &ids);
        assert!(judge(0, 0).is_ok_and(|wait| wait <= Duration::from_secs(1)));
        assert!(judge(1, 5_000).is_ok_and(|wait| wait >= Duration::from_secs(1)));
        assert_eq!(judge(2, 5_000), Err(Exhausted::Attempts));
        assert_eq!(judge(1, 59_500), Err(Exhausted::Age));
        let after = |is_transient| retries.after(&parcel(2), is_transient, Timestamp(0), &ids);
        assert_eq!(after(false), Outcome::GivenUp(None));
        assert_eq!(after(true), Outcome::GivenUp(Some(Exhausted::Attempts)));
        let usual = Retries::of(None, None);
        let many = usual.wait(&parcel(184), Timestamp(0), &ids);
        assert!(many.is_ok_and(|wait| wait >= Duration::from_secs(300)));
    }
}
