//! The way of one invocation.

mod cold;
mod conclude;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::admission::Place;
use super::environment::Environment;
use super::pool::{FINISHING_LOOKS, FINISHING_WAIT, Pool};
use super::{
    Era, FunctionFailure, FunctionTarget, InvokeError, InvokeOutcome, InvokeRequest, Shared,
    StreamEvent, StreamOutcome, metrics,
};
use crate::log::Trace;
use crate::runtime_api::{Answer, Posted, RESPONSE_BYTES_MAX, StreamPiece, Turn};
use cold::Ready;
pub(super) use cold::ahead;

/// What an invocation knows on its way.
struct Invocation {
    shared: Arc<Shared>,
    target: Arc<FunctionTarget>,
    request: InvokeRequest,
    pool: Arc<Pool>,
    trace: String,
    event: Bytes,
    era: Era,
    /// Given back when it is written up and its environment is free.
    place: Arc<Place>,
}

pub(super) async fn buffered(
    shared: Arc<Shared>,
    target: Arc<FunctionTarget>,
    request: InvokeRequest,
) -> Result<InvokeOutcome, InvokeError> {
    let invocation = Invocation::admit(shared, target, request).await?;
    let ready = match invocation.ready().await {
        Ok(ready) => ready,
        Err(not_ready) => {
            let (failure, log_tail) = invocation.not_ready(not_ready).await?;
            return Ok(invocation.outcome(Err(failure), Duration::ZERO, None, log_tail));
        }
    };
    let (ran, turn) = invocation.run(&ready).await;
    let result = match ran {
        Ok(answer) => invocation.collect(answer, &ready).await,
        Err(failure) => Err(failure),
    };
    let produced = result.as_ref().map_or_else(|failure| failure.document.len(), Bytes::len);
    let init = ready.init;
    let (duration, tail) = invocation.conclude(ready, result.as_ref().err(), produced, turn);
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
    let admitted = Invocation::admit(shared, target, request).await;
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
                drop(invocation); // gives its place back, however slow the caller reads
                return complete(&events, Some(&failure), log_tail).await;
            }
        },
    };
    let (ran, turn) = invocation.run(&ready).await;
    drop(turn); // however slow the caller reads
    let mut produced = 0;
    let failed = match ran {
        Err(failure) => {
            let _ = head.send(Ok("application/json".to_owned()));
            Some(failure)
        }
        Ok(answer) => invocation.forward(answer, &ready, head, &events, &mut produced).await.err(),
    };
    let (_, tail) = invocation.conclude(ready, failed.as_ref(), produced, None);
    let log_tail = match tail {
        Some(tail) => tail.await.ok(),
        None => None,
    };
    drop(invocation); // gives its place back, however slow the caller reads
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

impl Invocation {
    async fn admit(
        shared: Arc<Shared>,
        target: Arc<FunctionTarget>,
        request: InvokeRequest,
    ) -> Result<Self, InvokeError> {
        let era = shared.eras.now();
        let pool = shared.pool(&target);
        let provisioned = pool.provisioned(|state| state.requested);
        let mut place = shared.admission.enter(&target, request.limits, provisioned);
        let mut waits = FINISHING_LOOKS;
        while place.is_err() {
            // The last one is answered and about to leave; others' places are told of as well.
            let freed = shared.admission.freed.notified();
            let is_finishing = pool.has_finishing();
            // again: it may have left before that was asked
            place = shared.admission.enter(&target, request.limits, provisioned);
            if place.is_ok() || !is_finishing || waits == 0 {
                break;
            }
            let told = shared.doors.clock.timeout(FINISHING_WAIT, freed).await;
            waits = if told.is_ok() { waits - 1 } else { 0 };
        }
        let place = place.map_err(|reason| shared.throttled(&target, &request, reason))?;
        let place = Arc::new(place);
        let trace = request.trace.clone().unwrap_or_else(|| shared.trace());
        let event = match request.event.is_empty() {
            true => Bytes::from_static(b"{}"),
            false => request.event.clone(),
        };
        Ok(Self { shared, target, request, pool, trace, event, era, place })
    }

    /// Gives the event to the environment and waits for its answer. It is this invocation's turn
    /// then, until it lets go of it.
    async fn run(&self, ready: &Ready) -> (Result<Answer, FunctionFailure>, Option<Turn>) {
        let environment = &ready.lease.environment;
        let trace = self.traced(Some(environment));
        environment.journal.start_invocation(self.request.request_id.as_str(), trace);
        let limit = self.target.timeout.saturating_sub(ready.spent);
        let posted = environment.invoke(&self.request, &self.event, &self.trace, limit).await;
        let Posted { answer, turn } = match posted {
            Ok(posted) => posted,
            Err(failure) => return (Err(failure), None),
        };
        let answer = match answer {
            Answer::Error { error_type, document } => {
                Err(FunctionFailure::posted(error_type, document))
            }
            Answer::TooLarge => Err(FunctionFailure::too_large()),
            answer => Ok(answer),
        };
        (answer, turn)
    }

    /// Its trace; its own span has a name where somebody may see it.
    fn traced(&self, environment: Option<&Environment>) -> Trace {
        let has_extensions = environment.is_some_and(|one| one.api.has_extensions());
        let is_shown = has_extensions || self.trace.contains("Sampled=1");
        let span_id = match is_shown {
            true => self.shared.doors.ids.ids().hex(16),
            false => String::new(),
        };
        Trace { value: self.trace.clone(), span_id }
    }

    /// Time that is left to the function.
    fn left(&self, ready: &Ready) -> Duration {
        self.target.timeout.saturating_sub(ready.passed(self.shared.doors.clock.moment()))
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
                None => Err(environment.failure(&environment.ended().await, id)),
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
                    self.pass(data, ready, events).await?;
                }
            }
            answer => {
                let _ = head.send(Ok("application/json".to_owned()));
                let body = self.collect(answer, ready).await?;
                *produced = body.len();
                self.pass(body, ready, events).await?;
            }
        }
        Ok(())
    }

    /// Hands one piece to the caller. One that does not read holds up the function, whose time
    /// goes on: it must not keep an environment for ever.
    async fn pass(
        &self,
        data: Bytes,
        ready: &Ready,
        events: &mpsc::Sender<StreamEvent>,
    ) -> Result<(), FunctionFailure> {
        let passing = events.send(StreamEvent::Payload(data));
        match self.shared.doors.clock.timeout(self.left(ready), passing).await {
            Ok(_) => Ok(()), // also when the caller has gone
            Err(_) => Err(ready.lease.environment.time_out(&self.request.request_id)),
        }
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
