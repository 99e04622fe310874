//! The Runtime API (2018-06-01), the Extensions API (2020-01-01) and the subscriptions of the
//! Telemetry and Logs API, as one environment's processes see them on 127.0.0.1:9001.
//!
//! An event goes straight onto the connection on which the runtime waits, by the invoker's own
//! hand; what the runtime posts wakes the invoker first and is acknowledged after that.
//!
//! **Invariant:** whatever a runtime sends, only its own environment feels it.
//!
//! Begin with [`RuntimeApi`].

mod connection;
mod extension;
mod http;
mod state;
mod times;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::{Clock, IdSource};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::log::{Journal, Span};
use crate::telemetry::Telemetry;

pub(crate) use extension::{InvokeNotice, ShutdownReason};
use state::State;

/// Most bytes of a buffered response. AWS docs: *Lambda quotas > Invocation payload* (6 MB, and
/// 100 bytes of grace).
pub const RESPONSE_BYTES_MAX: u64 = 6_291_556;

/// Most bytes of a streamed response. AWS docs: *Lambda quotas* (200 MB).
pub const STREAM_BYTES_MAX: u64 = 200 << 20;

/// Most connections that one environment may hold open.
const CONNECTIONS_MAX: usize = 256;

/// How long to wait when no more connections can be had: their places come free with time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What the runtime posted for an invocation.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A whole response.
    Response(Bytes),
    /// A response that is still coming.
    Stream {
        /// As the runtime gave it.
        content_type: String,
        /// Its pieces; the last is an end or an error, unless the runtime ends before.
        pieces: mpsc::Receiver<StreamPiece>,
    },
    /// The function's error, as JSON, and its type.
    Error {
        /// From the header `Lambda-Runtime-Function-Error-Type`.
        error_type: String,
        /// The document.
        document: Bytes,
    },
    /// A response of more than [`RESPONSE_BYTES_MAX`].
    TooLarge,
}

/// What the runtime posted, as the invoker gets it.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) answer: Answer,
    /// None where the answer is still coming.
    pub(crate) turn: Option<Turn>,
}

/// The invoker's turn, which is over when this is dropped. Only then does the runtime's connection
/// go on: whoever called the function hears of its answer before the function hears that it was
/// taken, and one thread does both.
#[derive(Debug)]
pub(crate) struct Turn {
    _over: oneshot::Sender<()>,
}

/// A piece of a streamed response.
#[derive(Debug)]
pub(crate) enum StreamPiece {
    /// Some bytes.
    Data(Bytes),
    /// All is said.
    End,
    /// The function failed midway.
    Error {
        /// From the trailer `Lambda-Runtime-Function-Error-Type`.
        error_type: String,
        /// From the trailer `Lambda-Runtime-Function-Error-Body`.
        document: Bytes,
    },
}

/// How an initialization ended, as far as the runtime says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// The runtime and all extensions wait for work.
    Done,
    /// The runtime or an extension posted an error.
    Error {
        /// Such as `Runtime.ImportModuleError`.
        error_type: String,
        /// The document.
        document: Bytes,
    },
}

/// What an environment tells its extensions about itself.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) function_name: String,
    pub(crate) version: String,
    pub(crate) handler: String,
    pub(crate) account: String,
    /// External extensions: initialization lasts until each of them has registered and waits.
    pub(crate) extensions: Vec<String>,
}

/// Told when the environment can take the next event (after an invocation, not after init).
pub(crate) trait Readiness: Send + Sync {
    /// The runtime and all extensions wait again.
    fn ready(&self);
}

/// What an environment's API is made of.
pub(crate) struct ApiParts {
    pub(crate) identity: Identity,
    pub(crate) ids: IdSource,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) telemetry: Arc<Telemetry>,
}

/// One environment's API.
pub(crate) struct RuntimeApi {
    parts: ApiParts,
    state: Mutex<State>,
    /// Told when the runtime polls again, and when all wait, while extensions have a say.
    moved: Notify,
}

impl RuntimeApi {
    /// An API whose runtime has yet to start, and word of how that ends.
    pub(crate) fn new(parts: ApiParts) -> (Arc<Self>, oneshot::Receiver<Init>) {
        let (init, initialized) = oneshot::channel();
        let state = Mutex::new(State::new(init, parts.identity.extensions.clone()));
        (Arc::new(Self { parts, state, moved: Notify::new() }), initialized)
    }

    /// Names who is told of readiness.
    pub(crate) fn observe(&self, observer: std::sync::Weak<dyn Readiness>) {
        self.state.lock().observer = Some(observer);
    }

    /// Serves the connections that a listener accepts, until it is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: std::net::TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let (stream, _) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a runtime's connection");
                    self.parts.clock.sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true); // slower without, not wrong
            let api = Arc::clone(&self);
            connections.spawn(async move {
                connection::serve(api, stream).await;
                drop(place);
            });
            while connections.try_join_next().is_some() {}
        }
    }

    /// Hands an event to the waiting runtime and word of it to the extensions; answers what
    /// the runtime will post. `head` is the whole answer to its poll without the body.
    pub(crate) async fn dispatch(
        &self,
        request_id: &str,
        head: &[u8],
        event: &Bytes,
        notice: InvokeNotice<'_>,
    ) -> io::Result<oneshot::Receiver<Posted>> {
        let (posted, answer) = oneshot::channel();
        let (runtime, extensions) = {
            let mut state = self.state.lock();
            let runtime = state.begin(request_id, posted, head, event);
            if !state.extensions.is_empty() {
                state.times.begin(&self.parts.clock);
            }
            (runtime, state.notify_extensions(&notice, &self.parts.ids))
        };
        if let Some(parked) = runtime {
            http::write_all(&parked.writer, &[&parked.prefix, head, event]).await?;
        }
        for (parked, message) in extensions {
            let _ = http::write_all(&parked.writer, &[&message]).await; // its exit is noticed
        }
        Ok(answer)
    }

    /// Tells the extensions that asked for it that the environment ends; false when none did.
    pub(crate) async fn shut_down(&self, reason: ShutdownReason, deadline_ms: i64) -> bool {
        let told = self.state.lock().shut_down(reason, deadline_ms, &self.parts.ids);
        for (parked, message) in &told {
            let _ = http::write_all(&parked.writer, &[message]).await; // it may be gone already
        }
        !told.is_empty()
    }

    /// True when extensions have registered: an invocation then lasts until they are done.
    pub(crate) fn has_extensions(&self) -> bool {
        !self.state.lock().extensions.is_empty()
    }

    /// Waits until the runtime polls again, and answers what its time went into.
    pub(crate) async fn runtime_is_done(&self) -> Vec<Span> {
        self.until(|state| state.runtime_waits.then(|| state.times.spans())).await
    }

    /// Waits until the extensions wait again too.
    pub(crate) async fn all_are_done(&self) {
        self.until(|state| state.is_settled().then_some(())).await;
    }

    async fn until<T>(&self, probe: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let found = probe(&self.state.lock());
            match found {
                Some(found) => return found,
                None => self.moved.notified().await,
            }
        }
    }

    /// The environment may take its next event: says so to whoever observes it.
    pub(crate) fn release(&self) {
        let observer = self.state.lock().release();
        if let Some(observer) = observer.and_then(|observer| observer.upgrade()) {
            observer.ready();
        }
    }

    /// The error that an extension has posted before it left.
    pub(crate) fn extension_error(&self) -> Option<String> {
        self.state.lock().exit_error.clone()
    }

    /// Looks whether all wait now; tells of it outside the lock.
    fn settle(&self, state: parking_lot::MutexGuard<'_, State>) {
        let mut state = state;
        let settled = state.settle(&self.parts.journal);
        drop(state);
        self.moved.notify_one();
        if let Some(observer) = settled.and_then(|observer| observer.upgrade()) {
            observer.ready();
        }
    }
}
