//! An invocation that is answered, while its runtime has yet to ask for the next event: it lasts
//! until then, and no longer than its function's timeout. AWS docs: *Lambda execution environment
//! > Invoke phase*.

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Moment;

use super::super::admission::Place;
use super::super::environment::Environment;
use super::super::{FunctionFailure, outcome};
use crate::log::{Ending, Status};

/// What is written up when the runtime polls.
pub(in crate::fleet) struct Unfinished {
    ending: Ending,
    answered: Moment,
    /// What the answer left of the function's timeout.
    left: Duration,
    /// It counts among those that run.
    _place: Arc<Place>,
}

impl Unfinished {
    pub(in crate::fleet) fn new(
        ending: Ending,
        answered: Moment,
        timeout: Duration,
        place: Arc<Place>,
    ) -> Self {
        let left = timeout.saturating_sub(ending.duration);
        Self { ending, answered, left, _place: place }
    }

    /// Time that is left to the runtime.
    pub(super) fn left(&self, now: Moment) -> Duration {
        self.left.saturating_sub(now.since(self.answered))
    }

    /// The runtime polls.
    pub(super) fn finish(mut self, environment: &Environment, now: Moment) {
        self.ending.duration += now.since(self.answered).min(self.left);
        environment.journal.end_invocation(self.ending);
    }

    /// The runtime did not come to poll. What the function itself has told as an error stays.
    pub(super) fn cut_short(
        mut self,
        environment: &Environment,
        failure: &FunctionFailure,
        now: Moment,
    ) {
        if self.ending.status == Status::Success {
            self.ending.status = outcome::status(failure);
            self.ending.error_type = Some(failure.error_type.clone());
        }
        self.finish(environment, now);
    }

    /// The request that it is about.
    pub(super) fn request_id(&self) -> haar_types::RequestId {
        haar_types::RequestId::new(self.ending.request_id.as_str())
    }
}
