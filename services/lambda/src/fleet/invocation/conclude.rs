//! The end of an invocation: its last lines, its metrics, its bill, and what becomes of its
//! environment.
//!
//! Where extensions have registered it lasts longer than its answer: until each of them waits
//! for the next event. AWS docs: *Lambda Extensions API > Invoke phase*.

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Moment;
use haar_types::RequestId;
use tokio::sync::oneshot;

use super::super::admission::Place;
use super::super::environment::Environment;
use super::super::outcome::status;
use super::super::pool::{Pool, Unfinished};
use super::super::{Era, FunctionFailure, Shared, metrics};
use super::Invocation;
use super::cold::Ready;
use crate::log::{Done, Ending, Status};
use crate::runtime_api::{ShutdownReason, Turn};

impl Invocation {
    /// Lets the environment go, and has the last lines, metrics and the bill written.
    pub(super) fn conclude(
        &self,
        ready: Ready,
        failure: Option<&FunctionFailure>,
        produced_bytes: usize,
        turn: Option<Turn>,
    ) -> (Duration, Option<oneshot::Receiver<String>>) {
        let now = self.shared.doors.clock.moment();
        let duration = match failure {
            Some(failure) if failure.error_type == "Sandbox.Timedout" => self.target.timeout,
            _ => ready.passed(now),
        };
        let environment = Arc::clone(&ready.lease.environment);
        let (tail, wanted) = self.tail();
        let ending = self.ending(failure, duration, ready.init, produced_bytes, tail);
        match failure {
            Some(failure) if failure.fatal => {
                environment.journal.end_invocation(ending);
                ready.lease.discard(reason(failure));
            }
            _ if environment.api.has_extensions() => {
                ready.lease.answered(None);
                self.wait_for_extensions(Arc::clone(&environment), ending);
            }
            _ => {
                let place = Arc::clone(&self.place);
                let unfinished = Unfinished::new(ending, now, self.target.timeout, place);
                ready.lease.answered(Some(Box::new(unfinished)));
            }
        }
        self.measure_load(environment.provisioned);
        drop(turn); // what comes after the answer may begin
        (duration, wanted)
    }

    #[allow(clippy::disallowed_methods)] // the invocation outlives its answer
    fn wait_for_extensions(&self, environment: Arc<Environment>, ending: Ending) {
        let after = AfterAnswer {
            shared: Arc::clone(&self.shared),
            environment,
            pool: Arc::clone(&self.pool),
            era: self.era.clone(),
            _place: Arc::clone(&self.place),
            request_id: self.request.request_id.clone(),
            answered: self.shared.doors.clock.moment(),
            polled: None,
            left: self.target.timeout.saturating_sub(ending.duration),
            ending,
        };
        tokio::spawn(after.run());
    }

    pub(super) fn tail(
        &self,
    ) -> (Option<oneshot::Sender<String>>, Option<oneshot::Receiver<String>>) {
        let wanted = self.request.wants_tail.then(oneshot::channel);
        wanted.map_or((None, None), |(tail, wanted)| (Some(tail), Some(wanted)))
    }

    pub(super) fn ending(
        &self,
        failure: Option<&FunctionFailure>,
        duration: Duration,
        init: Option<Duration>,
        produced_bytes: usize,
        tail: Option<oneshot::Sender<String>>,
    ) -> Ending {
        let status = failure.map_or(Status::Success, status);
        let request_id = self.request.request_id.as_str().to_owned();
        let error_type = failure.map(|failure| failure.error_type.clone());
        let done = Done {
            request_id: request_id.clone(),
            status,
            error_type: error_type.clone(),
            duration,
            produced_bytes,
            spans: Vec::new(),
        };
        Ending {
            request_id,
            done: Some(done),
            status,
            error_type,
            duration,
            init,
            alias: self.request.alias.clone(),
            init_billed: true,
            tail,
        }
    }

    /// The end of an invocation whose function failed before it saw the event.
    pub(super) fn stillborn(
        &self,
        failure: &FunctionFailure,
        duration: Duration,
        tail: Option<oneshot::Sender<String>>,
    ) -> Ending {
        let ending = self.ending(Some(failure), duration, None, failure.document.len(), tail);
        match ending.status {
            Status::Error => Ending { status: Status::Stillborn, ..ending },
            _ => ending,
        }
    }

    fn measure_load(&self, provisioned: bool) {
        if self.era.is_over() {
            return;
        }
        let metrics = &*self.shared.doors.metrics;
        let alias = self.request.alias.as_deref();
        let at = self.shared.doors.clock.now();
        let load = self.place.load;
        let running = ("ConcurrentExecutions", "Count", f64::from(load.function));
        metrics::record(metrics, &self.target, alias, running, at);
        if self.request.limits.reserved.is_none() {
            let (name, value) = ("UnreservedConcurrentExecutions", f64::from(load.unreserved));
            metrics::record_account(metrics, &self.target, name, value, at);
        }
        if self.pool.provisioned(|state| state.requested) > 0 {
            let name = match provisioned {
                true => "ProvisionedConcurrencyInvocations",
                false => "ProvisionedConcurrencySpilloverInvocations",
            };
            metrics::record(metrics, &self.target, alias, (name, "Count", 1.0), at);
        }
    }
}

/// An invocation that is answered, while its extensions still work.
struct AfterAnswer {
    shared: Arc<Shared>,
    environment: Arc<Environment>,
    pool: Arc<Pool>,
    era: Era,
    /// It counts among those that run.
    _place: Arc<Place>,
    request_id: RequestId,
    answered: Moment,
    /// When the runtime asked for its next event.
    polled: Option<Moment>,
    /// What the function's time-out leaves to them.
    left: Duration,
    ending: Ending,
}

impl AfterAnswer {
    async fn run(mut self) {
        let clock = self.shared.doors.clock.clone();
        let environment = Arc::clone(&self.environment);
        let left = self.left;
        let end = {
            let working = self.follow(&environment);
            let working = async {
                tokio::select! {
                    biased;
                    () = working => None,
                    ended = environment.ended() => Some(ended),
                }
            };
            clock.timeout(left, working).await
        };
        let failure = match end {
            Ok(None) => None,
            Ok(Some(ended)) => Some(environment.failure(&ended, &self.request_id)),
            Err(_) => Some(environment.time_out(&self.request_id)),
        };
        let pool = Arc::clone(&self.pool);
        self.write(failure.as_ref());
        match failure {
            None => environment.api.release(),
            Some(failure) => pool.discard(&environment, reason(&failure)),
        }
    }

    /// Waits for the runtime, tells of it, and waits for the extensions: some end their turn
    /// only when they hear that the runtime has.
    async fn follow(&mut self, environment: &Environment) {
        let spans = environment.api.runtime_is_done().await;
        self.polled = Some(self.shared.doors.clock.moment());
        if let Some(done) = self.ending.done.take() {
            environment.journal.runtime_done(Done { spans, ..done });
        }
        environment.api.all_are_done().await;
    }

    fn write(mut self, failure: Option<&FunctionFailure>) {
        let now = self.shared.doors.clock.moment();
        let extra = now.since(self.answered);
        self.ending.duration += extra.min(self.left);
        if let Some(failure) = failure {
            self.ending.status = status(failure);
            self.ending.error_type = Some(failure.error_type.clone());
        }
        let alone = now.since(self.polled.unwrap_or(now)); // without the runtime
        let value = alone.as_secs_f64() * 1000.0;
        let post = ("PostRuntimeExtensionsDuration", "Milliseconds", value);
        let (sink, alias) = (&*self.shared.doors.metrics, self.ending.alias.as_deref());
        let at = self.shared.doors.clock.now();
        if !self.era.is_over() {
            metrics::record(sink, &self.environment.target, alias, post, at);
        }
        self.environment.journal.end_invocation(self.ending);
    }
}

fn reason(failure: &FunctionFailure) -> ShutdownReason {
    match failure.error_type.as_str() {
        "Sandbox.Timedout" => ShutdownReason::Timeout,
        _ => ShutdownReason::Failure,
    }
}
