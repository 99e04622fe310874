//! The way of one invocation.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use haar_clock::Moment;
use tokio::sync::{mpsc, oneshot};

use super::admission::Place;
use super::environment::{Environment, InitEnd, StartFailure};
use super::pool::{Lease, Pool};
use super::provision::PROVISIONED_INIT_MAX;
use super::spec::template_for;
use super::{
    FunctionFailure, FunctionTarget, InvokeError, InvokeOutcome, InvokeRequest, Shared,
    StreamEvent, StreamOutcome, metrics,
};
use crate::log::{Ending, InitPhase, InitReport, Status};
use crate::runtime_api::{Answer, Init, RESPONSE_BYTES_MAX, ShutdownReason, StreamPiece};

/// Longest initialization before an invocation. AWS docs: *Lambda execution environment > Init
/// phase*.
const INIT_MAX: Duration = Duration::from_secs(10);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that is polled in place and, when it is dropped before its end, goes on by itself.
pub(super) struct Detached<T: Send + 'static> {
    inner: Option<Boxed<T>>,
}

impl<T: Send + 'static> Detached<T> {
    pub(super) fn new(inner: impl Future<Output = T> + Send + 'static) -> Self {
        Self { inner: Some(Box::pin(inner)) }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let inner = self.inner.as_mut().expect("a future is not polled after its end");
        let polled = inner.as_mut().poll(context);
        if polled.is_ready() {
            self.inner = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    #[allow(clippy::disallowed_methods)] // the invocation outlives its caller
    fn drop(&mut self) {
        if let (Some(inner), Ok(runtime)) =
            (self.inner.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(inner);
        }
    }
}

/// What an invocation knows on its way.
struct Invocation {
    shared: Arc<Shared>,
    target: Arc<FunctionTarget>,
    request: InvokeRequest,
    pool: Arc<Pool>,
    trace: String,
    event: Bytes,
    started: Moment,
    _place: Place,
}

/// An environment for an invocation, and what it took to get it.
struct Ready {
    lease: Lease,
    /// Time to initialize, on a cold start.
    init: Option<Duration>,
    /// The part of the invocation's time that a second initialization took.
    spent: Duration,
}

/// The function failed before it saw the event, in an environment that is to be removed.
struct Stillborn {
    environment: Arc<Environment>,
    failure: FunctionFailure,
    report: InitReport,
}

enum NotReady {
    Stillborn(Box<Stillborn>),
    /// The function's program cannot be started.
    Unstartable(FunctionFailure),
    Refused(InvokeError),
}

pub(super) async fn buffered(
    shared: Arc<Shared>,
    target: Arc<FunctionTarget>,
    request: InvokeRequest,
) -> Result<InvokeOutcome, InvokeError> {
    let invocation = Invocation::admit(shared, target, request)?;
    let ready = match invocation.ready().await {
        Ok(ready) => ready,
        Err(not_ready) => {
            let (failure, log_tail) = invocation.not_ready(not_ready).await?;
            return Ok(invocation.outcome(Err(failure), Duration::ZERO, None, log_tail));
        }
    };
    let ran = invocation.run(&ready).await;
    let result = match ran {
        Ok(answer) => invocation.collect(answer, &ready).await,
        Err(failure) => Err(failure),
    };
    let produced = result.as_ref().map_or_else(|failure| failure.document.len(), Bytes::len);
    let init = ready.init;
    let (duration, tail) = invocation.conclude(ready, result.as_ref().err(), produced);
    let log_tail = match tail {
        Some(tail) => tail.await.ok(),
        None => None,
    };
    Ok(invocation.outcome(result, duration, init, log_tail))
}

pub(super) async fn streaming(
    shared: Arc<Shared>,
    target: Arc<FunctionTarget>,
    request: InvokeRequest,
) -> Result<StreamOutcome, InvokeError> {
    let (head, begun) = oneshot::channel();
    let (sender, events) = mpsc::channel(16);
    let executed_version = target.version.clone();
    let running = stream(shared, target, request, head, sender);
    #[allow(clippy::disallowed_methods)] // the invocation outlives its caller
    tokio::spawn(running);
    let stopped = || InvokeError::Service("haar is stopping".to_owned());
    let content_type = begun.await.map_err(|_| stopped())??;
    Ok(StreamOutcome { content_type, executed_version, events })
}

type Head = oneshot::Sender<Result<String, InvokeError>>;

async fn stream(
    shared: Arc<Shared>,
    target: Arc<FunctionTarget>,
    request: InvokeRequest,
    head: Head,
    events: mpsc::Sender<StreamEvent>,
) {
    let admitted = Invocation::admit(shared, target, request);
    let invocation = match admitted {
        Ok(invocation) => invocation,
        Err(error) => return drop(head.send(Err(error))), // the caller may have gone
    };
    let ready = match invocation.ready().await {
        Ok(ready) => ready,
        Err(not_ready) => match invocation.not_ready(not_ready).await {
            Err(error) => return drop(head.send(Err(error))),
            Ok((failure, log_tail)) => {
                let _ = head.send(Ok("application/json".to_owned()));
                return complete(&events, Some(&failure), log_tail).await;
            }
        },
    };
    let ran = invocation.run(&ready).await;
    let mut produced = 0;
    let failed = match ran {
        Err(failure) => {
            let _ = head.send(Ok("application/json".to_owned()));
            Some(failure)
        }
        Ok(answer) => invocation.forward(answer, &ready, head, &events, &mut produced).await.err(),
    };
    let (_, tail) = invocation.conclude(ready, failed.as_ref(), produced);
    let log_tail = match tail {
        Some(tail) => tail.await.ok(),
        None => None,
    };
    complete(&events, failed.as_ref(), log_tail).await;
}

async fn complete(
    events: &mpsc::Sender<StreamEvent>,
    failure: Option<&FunctionFailure>,
    log_tail: Option<String>,
) {
    let error_code = failure.map(|failure| failure.error_type.clone());
    let error_details =
        failure.map(|failure| String::from_utf8_lossy(&failure.document).into_owned());
    let last = StreamEvent::Complete { error_code, error_details, log_tail };
    let _ = events.send(last).await; // the caller may have gone
}

/// Makes an environment before there is an event for it.
pub(super) async fn ahead(
    shared: Arc<Shared>,
    target: Arc<FunctionTarget>,
) -> Result<Lease, String> {
    let start = Start { shared: &shared, target: &target, kind: "provisioned-concurrency" };
    let started = start.start(None).await.map_err(|failure| match failure {
        NotReady::Refused(error) => error.to_string(),
        _ => "FUNCTION_ERROR_INIT_FAILURE".to_owned(),
    })?;
    let (environment, initialized) = started;
    match environment.initialize(initialized, PROVISIONED_INIT_MAX).await {
        InitEnd::Done => {
            environment.watch();
            Ok(shared.pool(&target).admit(environment))
        }
        _ => {
            environment.end(ShutdownReason::Failure);
            Err("FUNCTION_ERROR_INIT_FAILURE".to_owned())
        }
    }
}

impl Invocation {
    fn admit(
        shared: Arc<Shared>,
        target: Arc<FunctionTarget>,
        request: InvokeRequest,
    ) -> Result<Self, InvokeError> {
        let place = shared.admission.enter(&target, request.limits);
        let place = place.map_err(|reason| shared.throttled(&target, &request, reason))?;
        let pool = shared.pool(&target);
        let started = shared.doors.clock.moment();
        let trace = request.trace.clone().unwrap_or_else(|| shared.trace());
        let event = match request.event.is_empty() {
            true => Bytes::from_static(b"{}"),
            false => request.event.clone(),
        };
        Ok(Self { shared, target, request, pool, trace, event, started, _place: place })
    }

    async fn ready(&self) -> Result<Ready, NotReady> {
        if let Some(lease) = self.pool.take().await {
            match lease.environment.thaw().await {
                Ok(()) => return Ok(Ready { lease, init: None, spent: Duration::ZERO }),
                Err(error) => {
                    tracing::warn!(%error, "could not thaw an environment");
                    lease.discard(ShutdownReason::Failure);
                }
            }
        }
        self.cold().await
    }

    /// Makes an environment; where its initialization fails, makes it again as part of the
    /// invocation, as AWS does. AWS docs: *Lambda execution environment > Failures during init*.
    async fn cold(&self) -> Result<Ready, NotReady> {
        let clock = &self.shared.doors.clock;
        let grown = self.shared.admission.grow(&self._place, clock);
        grown.map_err(|reason| {
            NotReady::Refused(self.shared.throttled(&self.target, &self.request, reason))
        })?;
        let start = Start { shared: &self.shared, target: &self.target, kind: "on-demand" };
        let first = self.attempt(&start, InitPhase::Init, INIT_MAX, None).await?;
        let failed = match first {
            Ok((environment, init)) => {
                let lease = self.pool.admit(environment);
                return Ok(Ready { lease, init: Some(init), spent: Duration::ZERO });
            }
            Err(failed) => failed,
        };
        let stream = failed.environment.stream.clone();
        failed.environment.journal.init_report(failed.report);
        failed.environment.end_now(ShutdownReason::Failure).await;
        let (limit, stream) = (self.target.timeout, Some(stream));
        match self.attempt(&start, InitPhase::Invoke, limit, stream).await? {
            Ok((environment, spent)) => {
                let lease = self.pool.admit(environment);
                Ok(Ready { lease, init: None, spent })
            }
            Err(failed) => Err(NotReady::Stillborn(Box::new(failed))),
        }
    }

    async fn attempt(
        &self,
        start: &Start<'_>,
        phase: InitPhase,
        limit: Duration,
        stream: Option<String>,
    ) -> Result<Result<(Arc<Environment>, Duration), Stillborn>, NotReady> {
        let clock = &self.shared.doors.clock;
        let _turn = self.shared.starting.acquire().await;
        let began = clock.moment();
        let (environment, initialized) =
            start.start(stream).await.map_err(|failure| match failure {
                NotReady::Unstartable(failure) => {
                    let text = failure.error_type;
                    let id = &self.request.request_id;
                    NotReady::Unstartable(FunctionFailure::platform(
                        "Runtime.InvalidEntrypoint",
                        id,
                        &text,
                    ))
                }
                other => other,
            })?;
        let end = environment.initialize(initialized, limit).await;
        let duration = clock.moment().since(began);
        let id = &self.request.request_id;
        let (failure, error_type) = match end {
            InitEnd::Done => {
                environment.watch();
                return Ok(Ok((environment, duration)));
            }
            InitEnd::Failed(Init::Error { error_type, document }) => {
                let mut failure = FunctionFailure::posted(error_type.clone(), document);
                failure.fatal = true;
                (failure, Some(error_type))
            }
            InitEnd::Exited(ended) => {
                let failure = ended.failure(id);
                let error_type = failure.error_type.clone();
                (failure, Some(error_type))
            }
            InitEnd::Failed(Init::Done) | InitEnd::TimedOut => {
                (FunctionFailure::timed_out(id, self.target.timeout), None)
            }
        };
        let report = InitReport { phase, duration, error_type };
        Ok(Err(Stillborn { environment, failure, report }))
    }

    /// Gives the event to the environment and waits for its answer.
    async fn run(&self, ready: &Ready) -> Result<Answer, FunctionFailure> {
        let environment = &ready.lease.environment;
        environment.journal.start_invocation(self.request.request_id.as_str());
        let limit = self.target.timeout.saturating_sub(ready.spent);
        let answer = environment.invoke(&self.request, &self.event, &self.trace, limit).await?;
        match answer {
            Answer::Error { error_type, document } => {
                Err(FunctionFailure::posted(error_type, document))
            }
            Answer::TooLarge => Err(FunctionFailure::too_large()),
            answer => Ok(answer),
        }
    }

    /// Time that is left to the function.
    fn left(&self, ready: &Ready) -> Duration {
        let outside = ready.init.unwrap_or_default();
        let passed = self.shared.doors.clock.moment().since(self.started);
        (self.target.timeout + outside).saturating_sub(passed)
    }

    /// The whole of a response, even of a streamed one.
    async fn collect(&self, answer: Answer, ready: &Ready) -> Result<Bytes, FunctionFailure> {
        let mut pieces = match answer {
            Answer::Response(body) => return Ok(body),
            Answer::Stream { pieces, .. } => pieces,
            Answer::Error { error_type, document } => {
                return Err(FunctionFailure::posted(error_type, document));
            }
            Answer::TooLarge => return Err(FunctionFailure::too_large()),
        };
        let mut whole = BytesMut::new();
        let mut too_large = false;
        while let Some(data) = self.piece(&mut pieces, ready).await? {
            too_large |= (whole.len() + data.len()) as u64 > RESPONSE_BYTES_MAX;
            if !too_large {
                whole.extend_from_slice(&data);
            }
        }
        if too_large { Err(FunctionFailure::too_large()) } else { Ok(whole.freeze()) }
    }

    /// The next piece of a streamed response; `None` at its end.
    async fn piece(
        &self,
        pieces: &mut mpsc::Receiver<StreamPiece>,
        ready: &Ready,
    ) -> Result<Option<Bytes>, FunctionFailure> {
        let environment = &ready.lease.environment;
        let id = &self.request.request_id;
        let next = async {
            match pieces.recv().await {
                Some(StreamPiece::Data(data)) => Ok(Some(data)),
                Some(StreamPiece::End) => Ok(None),
                Some(StreamPiece::Error { error_type, document }) => {
                    Err(FunctionFailure::posted(error_type, document))
                }
                None => Err(environment.ended().await.failure(id)),
            }
        };
        match self.shared.doors.clock.timeout(self.left(ready), next).await {
            Ok(next) => next,
            Err(_) => Err(environment.time_out(id)),
        }
    }

    /// Passes a response on as it comes.
    async fn forward(
        &self,
        answer: Answer,
        ready: &Ready,
        head: Head,
        events: &mpsc::Sender<StreamEvent>,
        produced: &mut usize,
    ) -> Result<(), FunctionFailure> {
        match answer {
            Answer::Stream { content_type, mut pieces } => {
                let _ = head.send(Ok(content_type)); // the caller may have gone
                while let Some(data) = self.piece(&mut pieces, ready).await? {
                    *produced += data.len();
                    let _ = events.send(StreamEvent::Payload(data)).await;
                }
            }
            answer => {
                let _ = head.send(Ok("application/json".to_owned()));
                let body = self.collect(answer, ready).await?;
                *produced = body.len();
                let _ = events.send(StreamEvent::Payload(body)).await;
            }
        }
        Ok(())
    }

    /// Lets the environment go, and has the last lines, metrics and the bill written.
    fn conclude(
        &self,
        ready: Ready,
        failure: Option<&FunctionFailure>,
        produced_bytes: usize,
    ) -> (Duration, Option<oneshot::Receiver<String>>) {
        let passed = self.shared.doors.clock.moment().since(self.started);
        let duration = passed.saturating_sub(ready.init.unwrap_or_default());
        let duration = match failure {
            Some(failure) if failure.error_type == "Sandbox.Timedout" => self.target.timeout,
            _ => duration,
        };
        let (tail, wanted) = self.tail();
        let ending = self.ending(failure, duration, ready.init, produced_bytes, tail);
        ready.lease.environment.journal.end_invocation(ending);
        match failure {
            Some(failure) if failure.fatal => {
                let timed_out = failure.error_type == "Sandbox.Timedout";
                ready.lease.discard(match timed_out {
                    true => ShutdownReason::Timeout,
                    false => ShutdownReason::Failure,
                });
            }
            _ => ready.lease.answered(),
        }
        self.measure_load();
        (duration, wanted)
    }

    fn tail(&self) -> (Option<oneshot::Sender<String>>, Option<oneshot::Receiver<String>>) {
        let wanted = self.request.wants_tail.then(oneshot::channel);
        wanted.map_or((None, None), |(tail, wanted)| (Some(tail), Some(wanted)))
    }

    fn ending(
        &self,
        failure: Option<&FunctionFailure>,
        duration: Duration,
        init: Option<Duration>,
        produced_bytes: usize,
        tail: Option<oneshot::Sender<String>>,
    ) -> Ending {
        let status = match failure {
            None => Status::Success,
            Some(failure) if failure.error_type == "Sandbox.Timedout" => Status::Timeout,
            Some(failure) => failure.reported.map_or(Status::Error, Status::Failure),
        };
        Ending {
            request_id: self.request.request_id.as_str().to_owned(),
            status,
            error_type: failure.map(|failure| failure.error_type.clone()),
            duration,
            init,
            produced_bytes,
            trace: self.target.traced.then(|| self.trace.clone()),
            alias: self.request.alias.clone(),
            init_billed: true,
            tail,
        }
    }

    fn measure_load(&self) {
        let metrics = &*self.shared.doors.metrics;
        let running = ("ConcurrentExecutions", "Count", f64::from(self._place.load.function));
        let at = self.shared.doors.clock.now();
        metrics::record(metrics, &self.target, self.request.alias.as_deref(), running, at);
    }

    /// The function failed before it saw the event: writes its log and its bill all the same.
    async fn not_ready(
        &self,
        not_ready: NotReady,
    ) -> Result<(FunctionFailure, Option<String>), InvokeError> {
        let stillborn = match not_ready {
            NotReady::Refused(error) => return Err(error),
            NotReady::Unstartable(failure) => return Ok((failure, None)),
            NotReady::Stillborn(stillborn) => *stillborn,
        };
        let Stillborn { environment, failure, report } = stillborn;
        let duration = report.duration.min(self.target.timeout);
        let id = self.request.request_id.as_str();
        environment.journal.init_report(report);
        environment.journal.start_invocation(id);
        if failure.error_type == "Sandbox.Timedout" {
            environment.journal.timed_out(id, self.target.timeout);
        }
        let (tail, wanted) = self.tail();
        let ending = self.ending(Some(&failure), duration, None, failure.document.len(), tail);
        environment.journal.end_invocation(ending);
        environment.end(ShutdownReason::Failure);
        let log_tail = match wanted {
            Some(wanted) => wanted.await.ok(),
            None => None,
        };
        Ok((failure, log_tail))
    }

    fn outcome(
        &self,
        result: Result<Bytes, FunctionFailure>,
        duration: Duration,
        init: Option<Duration>,
        log_tail: Option<String>,
    ) -> InvokeOutcome {
        let (payload, function_error) = match result {
            Ok(payload) => (payload, None),
            Err(failure) => (failure.document, Some(failure.error_type)),
        };
        let executed_version = self.target.version.clone();
        InvokeOutcome { payload, function_error, log_tail, executed_version, duration, init }
    }
}

/// Starts environments of one kind.
struct Start<'a> {
    shared: &'a Arc<Shared>,
    target: &'a Arc<FunctionTarget>,
    kind: &'static str,
}

impl Start<'_> {
    async fn start(
        &self,
        stream: Option<String>,
    ) -> Result<(Arc<Environment>, oneshot::Receiver<Init>), NotReady> {
        let refused = |error| NotReady::Refused(error);
        let runtimes = self.shared.runtimes().await;
        let runtimes = runtimes.map_err(|error| refused(InvokeError::Service(error)))?;
        let launch = runtimes.launch(&self.target.runtime);
        let launch = launch.map_err(|missing| refused(InvokeError::InvalidRuntime(missing)))?;
        let doors = &self.shared.doors;
        let started = Environment::start(doors, self.target, &launch, self.kind, stream).await;
        if let Some(template) = template_for(self.target, &launch) {
            self.shared.use_template(template).await;
        }
        match started {
            Ok((environment, initialized)) => Ok((Arc::new(environment), initialized)),
            Err(StartFailure::EntryPoint(text)) => {
                let failure = FunctionFailure::posted(text, Bytes::new());
                Err(NotReady::Unstartable(failure))
            }
            Err(StartFailure::Substrate(error)) => {
                tracing::error!(function = %self.target.arn(), %error, "no environment");
                Err(refused(InvokeError::Service(format!(
                    "could not make an environment: {error}"
                ))))
            }
        }
    }
}

impl Shared {
    fn throttled(
        &self,
        target: &FunctionTarget,
        request: &InvokeRequest,
        reason: super::ThrottleReason,
    ) -> InvokeError {
        let at = self.doors.clock.now();
        let throttle = ("Throttles", "Count", 1.0);
        metrics::record(&*self.doors.metrics, target, request.alias.as_deref(), throttle, at);
        InvokeError::TooManyRequests(reason)
    }

    /// A trace of our own, not sampled. AWS docs: *X-Ray > Tracing header*.
    fn trace(&self) -> String {
        let ids = self.doors.ids.ids();
        let seconds = self.doors.clock.now().seconds();
        format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", ids.hex(24), ids.hex(16))
    }
}
