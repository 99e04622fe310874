//! What follows from an attempt at a stream's batch: on, again, in halves, or given up. AWS
//! docs: *Error handling in the Kinesis and DynamoDB event sources*.

use std::time::Duration;

use super::report::Report;

/// Given up after too many attempts.
pub const EXHAUSTED: &str = "RetryAttemptsExhausted";
/// Given up since they are too old.
pub const TOO_OLD: &str = "RecordAgeExceeded";

/// First and longest wait between attempts. *Ours*: AWS names no times.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_LONGEST: Duration = Duration::from_secs(60);

/// How a mapping treats failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Attempts after the first; `None` is without end.
    pub retries_max: Option<u32>,
    /// How old records may be when they are given; `None` is any age.
    pub age_max: Option<Duration>,
    /// A batch that failed is tried in halves.
    pub bisects: bool,
    /// The consumer may name the record that failed.
    pub reports: bool,
}

/// What was said of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An answer, as far as it is looked at.
    Answered(Report),
    /// The consumer failed.
    Failed,
    /// The consumer was not reached; such an attempt counts for nothing.
    Unreached,
}

/// What is to be done with the first records of what is left, and the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// All of the batch is done.
    Done,
    /// So many are done, the rest is tried again after a wait: how many attempts count.
    Again {
        /// Records that are done.
        done: usize,
        /// Attempts that the rest has had.
        attempts: u32,
        /// How long to wait.
        wait: Duration,
    },
    /// Tried again in two parts: so many records are done, so many are the first part.
    Split {
        /// Records that are done.
        done: usize,
        /// Records of the first part.
        first: usize,
    },
    /// So many are done; the rest is given up.
    GiveUp {
        /// Records that are done.
        done: usize,
    },
}

/// Decides. `len` is the batch's, `attempts` are those before this one, `failed_at` finds the
/// place of a record in the batch.
pub fn judge(
    said: &Said,
    len: usize,
    attempts: u32,
    settings: &Settings,
    failed_at: impl Fn(&str) -> Option<usize>,
) -> Step {
    let done = match said {
        Said::Unreached => {
            return Step::Again { done: 0, attempts, wait: back_off(attempts) };
        }
        Said::Answered(_) if !settings.reports => return Step::Done,
        Said::Answered(Report::Done) => return Step::Done,
        Said::Answered(Report::Failed(ids)) => {
            // The first that failed is the checkpoint: what follows is tried again too.
            ids.iter().filter_map(|id| failed_at(id)).min().unwrap_or(0)
        }
        Said::Answered(Report::Malformed) | Said::Failed => 0,
    };
    let left = len.saturating_sub(done);
    // What was got past is progress: the rest has had this attempt alone.
    let attempts = if done > 0 { 1 } else { attempts + 1 };
    if settings.bisects && done == 0 && left > 1 {
        return Step::Split { done, first: left / 2 }; // uses up none of its retries
    }
    match settings.retries_max {
        Some(most) if attempts > most => Step::GiveUp { done },
        _ => Step::Again { done, attempts, wait: back_off(attempts - 1) },
    }
}

/// How many of the oldest records may no longer be given, by their ages.
pub fn expired(ages: impl IntoIterator<Item = Duration>, settings: &Settings) -> usize {
    match settings.age_max {
        None => 0,
        Some(most) => ages.into_iter().take_while(|age| *age > most).count(),
    }
}

/// Doubles up to a minute.
fn back_off(failed_count: u32) -> Duration {
    WAIT_FIRST.saturating_mul(1 << failed_count.min(6)).min(WAIT_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDLESS: Settings =
        Settings { retries_max: None, age_max: None, bisects: false, reports: false };

    fn step(said: &Said, len: usize, attempts: u32, settings: Settings) -> Step {
        judge(said, len, attempts, &settings, |id| id.parse().ok())
    }

    fn failed(ids: &[&str]) -> Said {
        Said::Answered(Report::Failed(ids.iter().map(|id| (*id).to_owned()).collect()))
    }

    #[test]
    fn an_answer_is_success_unless_reports_are_looked_at() {
        assert_eq!(step(&failed(&["0"]), 3, 0, ENDLESS), Step::Done);
        let reports = Settings { reports: true, ..ENDLESS };
        let again = |done| Step::Again { done, attempts: 1, wait: WAIT_FIRST };
        assert_eq!(step(&failed(&["2", "1"]), 3, 5, reports), again(1));
        assert_eq!(step(&Said::Answered(Report::Malformed), 3, 0, reports), again(0));
        assert_eq!(step(&Said::Answered(Report::Done), 3, 0, reports), Step::Done);
    }

    #[test]
    fn a_batch_is_tried_once_more_than_its_retries_and_then_given_up() {
        let settings = Settings { retries_max: Some(2), ..ENDLESS };
        assert!(matches!(step(&Said::Failed, 3, 0, settings), Step::Again { attempts: 1, .. }));
        assert!(matches!(step(&Said::Failed, 3, 1, settings), Step::Again { attempts: 2, .. }));
        assert_eq!(step(&Said::Failed, 3, 2, settings), Step::GiveUp { done: 0 });
        let none = Settings { retries_max: Some(0), reports: true, ..ENDLESS };
        assert_eq!(step(&failed(&["1"]), 3, 0, none), Step::GiveUp { done: 1 });
    }

    #[test]
    fn without_a_bound_it_is_tried_for_ever_and_ever_more_seldom() {
        let wait = |attempts| match step(&Said::Failed, 1, attempts, ENDLESS) {
            Step::Again { wait, .. } => wait.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([wait(0), wait(1), wait(3), wait(1000)], [1, 2, 8, 60]);
    }

    #[test]
    fn a_failed_batch_is_halved_down_to_one_record_at_no_cost() {
        let settings = Settings { retries_max: Some(0), bisects: true, ..ENDLESS };
        assert_eq!(step(&Said::Failed, 5, 0, settings), Step::Split { done: 0, first: 2 });
        assert_eq!(step(&Said::Failed, 2, 0, settings), Step::Split { done: 0, first: 1 });
        assert_eq!(step(&Said::Failed, 1, 0, settings), Step::GiveUp { done: 0 });
        // A report halves at the record that it names.
        let reports = Settings { reports: true, retries_max: Some(3), ..settings };
        let again = Step::Again { done: 4, attempts: 1, wait: WAIT_FIRST };
        assert_eq!(step(&failed(&["4"]), 9, 2, reports), again);
    }

    #[test]
    fn a_consumer_that_was_not_reached_has_had_no_attempt() {
        let settings = Settings { retries_max: Some(0), bisects: true, ..ENDLESS };
        let again = Step::Again { done: 0, attempts: 0, wait: WAIT_FIRST };
        assert_eq!(step(&Said::Unreached, 5, 0, settings), again);
    }

    #[test]
    fn the_oldest_records_go_when_they_are_too_old() {
        let ages = [90, 70, 50, 80].map(Duration::from_secs);
        assert_eq!(expired(ages, &ENDLESS), 0);
        let settings = Settings { age_max: Some(Duration::from_secs(60)), ..ENDLESS };
        assert_eq!(expired(ages, &settings), 2);
    }
}
