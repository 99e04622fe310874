//! Getting an environment for an invocation: one that waits, or a new one.

mod entry_point;

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Moment;
use tokio::sync::oneshot;

use super::super::environment::{Environment, InitEnd, StartFailure};
use super::super::pool::Lease;
use super::super::provision::PROVISIONED_INIT_MAX;
use super::super::spec::{ProgramFault, template_for};
use super::super::{Era, FunctionFailure, FunctionTarget, InvokeError, Shared};
use super::Invocation;
use crate::log::{InitReport, Status};
use crate::runtime_api::{Init, ShutdownReason};

/// Longest initialization before an invocation. AWS docs: *Lambda execution environment > Init
/// phase*.
const INIT_MAX: Duration = Duration::from_secs(10);

/// How long a slow initialization counts among those that are starting. *Ours*.
const START_TURN: Duration = Duration::from_secs(1);

/// An environment for an invocation, and what it took to get it.
pub(super) struct Ready {
    pub(super) lease: Lease,
    /// Time to initialize, on a cold start.
    pub(super) init: Option<Duration>,
    /// The part of the invocation's time that a second initialization took.
    pub(super) spent: Duration,
    /// When it was there: from then on it is the function's time.
    since: Moment,
}

impl Ready {
    /// How much of the function's time has passed.
    pub(super) fn passed(&self, now: Moment) -> Duration {
        self.spent + now.since(self.since)
    }
}

/// The function failed before it saw the event, in an environment that is to be removed.
pub(super) struct Stillborn {
    environment: Arc<Environment>,
    failure: FunctionFailure,
    report: InitReport,
}

/// What a second initialization goes on from.
struct Again {
    /// The log stream.
    stream: String,
    /// What the first one wrote to it: whoever wants the log's tail sees that too.
    written: String,
}

pub(super) enum NotReady {
    Stillborn(Box<Stillborn>),
    /// The function's program cannot be started; found out in so much time.
    Unstartable(FunctionFailure, Duration),
    Refused(InvokeError),
}

/// Makes an environment before there is an event for it.
pub(in crate::fleet) async fn ahead(
    shared: Arc<Shared>,
    target: Arc<FunctionTarget>,
) -> Result<Lease, String> {
    let (kind, era) = ("provisioned-concurrency", &shared.eras.now());
    let start = Start { shared: &shared, target: &target, kind, era };
    let clock = &shared.doors.clock;
    let began = clock.moment();
    let started = start.start(None).await.map_err(|failure| match failure {
        NotStarted::Refused(error) => error.to_string(),
        NotStarted::Program(_) => "FUNCTION_ERROR_INIT_FAILURE".to_owned(),
    })?;
    let (environment, initialized) = started;
    match environment.initialize(initialized, PROVISIONED_INIT_MAX).await {
        InitEnd::Done => {
            environment.initialized(clock.moment().since(began));
            Ok(shared.pool(&target).admit(environment))
        }
        _ => {
            environment.end(ShutdownReason::Failure);
            Err("FUNCTION_ERROR_INIT_FAILURE".to_owned())
        }
    }
}

impl Invocation {
    pub(super) async fn ready(&self) -> Result<Ready, NotReady> {
        if let Some(lease) = self.pool.take().await {
            match lease.environment.thaw().await {
                Ok(()) => return Ok(self.got(lease, None, Duration::ZERO)),
                Err(error) => {
                    tracing::warn!(%error, "could not thaw an environment");
                    lease.discard(ShutdownReason::Failure);
                }
            }
        }
        let ready = self.cold().await?;
        match self.era.is_over() {
            false => Ok(ready),
            true => {
                let text = "haar was reset meanwhile".to_owned();
                Err(NotReady::Refused(InvokeError::Service(text)))
            }
        }
    }

    fn got(&self, lease: Lease, init: Option<Duration>, spent: Duration) -> Ready {
        Ready { lease, init, spent, since: self.shared.doors.clock.moment() }
    }

    /// Makes an environment; where its initialization fails, makes it again as part of the
    /// invocation, as AWS does. AWS docs: *Lambda execution environment > Failures during init*.
    async fn cold(&self) -> Result<Ready, NotReady> {
        let clock = &self.shared.doors.clock;
        let grown = self.shared.admission.grow(&self.place, clock);
        grown.map_err(|reason| {
            NotReady::Refused(self.shared.throttled(&self.target, &self.request, reason))
        })?;
        self.shared.watch(&self.pool).await;
        let (kind, era) = ("on-demand", &self.era);
        let start = Start { shared: &self.shared, target: &self.target, kind, era };
        let first = self.attempt(&start, INIT_MAX, None).await?;
        let failed = match first {
            Ok((environment, init)) => {
                let lease = self.pool.admit(environment);
                return Ok(self.got(lease, Some(init), Duration::ZERO));
            }
            Err(failed) => failed,
        };
        let stream = failed.environment.stream.clone();
        failed.environment.journal.init_report(failed.report);
        let written = failed.environment.journal.flush().await;
        failed.environment.end_now(ShutdownReason::Failure).await;
        let (limit, again) = (self.target.timeout, Some(Again { stream, written }));
        match self.attempt(&start, limit, again).await? {
            Ok((environment, spent)) => {
                let lease = self.pool.admit(environment);
                Ok(self.got(lease, None, spent))
            }
            Err(failed) => Err(NotReady::Stillborn(Box::new(failed))),
        }
    }

    async fn attempt(
        &self,
        start: &Start<'_>,
        limit: Duration,
        again: Option<Again>,
    ) -> Result<Result<(Arc<Environment>, Duration), Stillborn>, NotReady> {
        let clock = &self.shared.doors.clock;
        let turn = self.shared.starting.acquire().await;
        let began = clock.moment();
        let (stream, written) = again.map(|again| (again.stream, again.written)).unzip();
        let (environment, initialized) =
            start.start(stream).await.map_err(|failure| match failure {
                NotStarted::Program(ProgramFault { kind, text }) => {
                    let failure = FunctionFailure::platform(kind, &self.request.request_id, &text);
                    NotReady::Unstartable(failure, clock.moment().since(began))
                }
                NotStarted::Refused(error) => NotReady::Refused(error),
            })?;
        if let Some(written) = written {
            environment.journal.recall(written);
        }
        let end = {
            let mut end = std::pin::pin!(environment.initialize(initialized, limit));
            match clock.timeout(START_TURN, &mut end).await {
                Ok(end) => end,
                Err(_) => {
                    drop(turn); // others shall not wait for one that hangs
                    end.await
                }
            }
        };
        let duration = clock.moment().since(began);
        let id = &self.request.request_id;
        let (failure, error_type) = match end {
            InitEnd::Done => {
                environment.initialized(duration);
                return Ok(Ok((environment, duration)));
            }
            InitEnd::Failed(Init::Error { error_type, document }) => {
                let mut failure = FunctionFailure::posted(error_type.clone(), document);
                failure.fatal = true;
                (failure, Some(error_type))
            }
            InitEnd::Exited(ended) => {
                let failure = environment.failure(&ended, id);
                let error_type = failure.error_type.clone();
                (failure, Some(error_type))
            }
            InitEnd::Failed(Init::Done) | InitEnd::TimedOut => {
                (FunctionFailure::timed_out(id, self.target.timeout), None)
            }
        };
        let status = if error_type.is_some() { Status::Error } else { Status::Timeout };
        let report = InitReport { duration, status, error_type };
        Ok(Err(Stillborn { environment, failure, report }))
    }

    /// The function failed before it saw the event: writes its log and its bill all the same.
    pub(super) async fn not_ready(
        &self,
        not_ready: NotReady,
    ) -> Result<(FunctionFailure, Option<String>), InvokeError> {
        let stillborn = match not_ready {
            NotReady::Refused(error) => return Err(error),
            NotReady::Unstartable(failure, took) => return self.unstartable(failure, took).await,
            NotReady::Stillborn(stillborn) => *stillborn,
        };
        let Stillborn { environment, failure, report } = stillborn;
        let duration = report.duration.min(self.target.timeout);
        let id = self.request.request_id.as_str();
        environment.journal.init_report(report);
        environment.journal.start_invocation(id, self.traced(Some(&environment)));
        if failure.error_type == "Sandbox.Timedout" {
            environment.journal.timed_out(id, self.target.timeout);
        }
        let (tail, wanted) = self.tail();
        environment.journal.end_invocation(self.stillborn(&failure, duration, tail));
        environment.end(ShutdownReason::Failure);
        let log_tail = match wanted {
            Some(wanted) => wanted.await.ok(),
            None => None,
        };
        Ok((failure, log_tail))
    }
}

/// Why no environment came to be.
enum NotStarted {
    /// The function's program cannot be started.
    Program(ProgramFault),
    Refused(InvokeError),
}

/// Starts environments of one kind.
struct Start<'a> {
    shared: &'a Arc<Shared>,
    target: &'a Arc<FunctionTarget>,
    kind: &'static str,
    era: &'a Era,
}

impl Start<'_> {
    async fn start(
        &self,
        stream: Option<String>,
    ) -> Result<(Arc<Environment>, oneshot::Receiver<Init>), NotStarted> {
        let launch = self.shared.launch(self.target).await.map_err(NotStarted::Refused)?;
        let doors = &self.shared.doors;
        let of = (stream, self.era.clone());
        let started = Environment::start(doors, self.target, &launch, self.kind, of).await;
        if let Some(template) = template_for(self.target, &launch) {
            self.shared.use_template(template).await;
        }
        match started {
            Ok((environment, initialized)) => Ok((Arc::new(environment), initialized)),
            Err(StartFailure::Program(fault)) => Err(NotStarted::Program(fault)),
            Err(StartFailure::Role) => Err(NotStarted::Refused(InvokeError::Role)),
            Err(StartFailure::Image(error)) => Err(self.refused(&error)),
            Err(StartFailure::Substrate(error)) => Err(self.refused(&error)),
        }
    }

    fn refused(&self, error: &dyn std::error::Error) -> NotStarted {
        tracing::error!(function = %self.target.arn(), %error, "no environment");
        let text = format!("could not make an environment: {error}");
        NotStarted::Refused(InvokeError::Service(text))
    }
}
