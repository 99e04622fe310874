//! Where one environment's runtime and extensions stand.

use std::collections::BTreeMap;
use std::sync::Weak;

use bytes::{Bytes, BytesMut};
use haar_clock::IdSource;
use tokio::sync::oneshot;

use super::extension::{Extension, InvokeNotice, ShutdownReason};
use super::http::Writer;
use super::times::Times;
use super::{Init, Posted, Readiness};
use crate::log::{ExtensionState, Journal};

/// A connection on which someone waits for an event.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) writer: Writer,
    /// Answers to earlier requests on the connection that were held back for company.
    pub(super) prefix: Bytes,
    pub(super) connection: u64,
}

/// What a poll got.
pub(super) enum Polled {
    /// Its connection now waits.
    Parked,
    /// An event was there already.
    Event(Bytes),
    /// This is not the time to poll.
    Refused(&'static str),
}

enum Phase {
    Init(oneshot::Sender<Init>),
    Idle,
    /// `answer` is taken when the runtime begins to answer.
    Busy {
        request_id: String,
        answer: Option<oneshot::Sender<Posted>>,
        answered: bool,
    },
    /// Init failed or the environment is shutting down: nothing more is accepted.
    Ended,
}

pub(super) struct State {
    phase: Phase,
    runtime: Option<Parked>,
    pub(super) runtime_waits: bool,
    /// An event for a runtime whose poll is still on its way.
    queued: Option<Bytes>,
    pub(super) extensions: BTreeMap<String, Extension>,
    /// Names of those that must register before initialization ends.
    expected: Vec<String>,
    pub(super) observer: Option<Weak<dyn Readiness>>,
    pub(super) connection_count: u64,
    /// What an extension posted to `/extension/exit/error`.
    pub(super) exit_error: Option<String>,
    /// Of the invocation in hand.
    pub(super) times: Times,
}

/// Why a response is not accepted.
pub(super) enum NotNow {
    WrongId,
    State(&'static str),
}

impl State {
    pub(super) fn new(init: oneshot::Sender<Init>, expected: Vec<String>) -> Self {
        Self {
            phase: Phase::Init(init),
            runtime: None,
            runtime_waits: false,
            queued: None,
            extensions: BTreeMap::new(),
            expected,
            observer: None,
            connection_count: 0,
            exit_error: None,
            times: Times::default(),
        }
    }

    pub(super) fn is_init(&self) -> bool {
        matches!(self.phase, Phase::Init(_))
    }

    /// The runtime asks for its next event.
    pub(super) fn poll(&mut self, parked: Parked) -> Polled {
        match &self.phase {
            Phase::Busy { answered: false, .. } if self.queued.is_none() => {
                return Polled::Refused("RuntimeInvocationStarted");
            }
            Phase::Ended => return Polled::Refused("RuntimeInitError"),
            _ => {}
        }
        if let Some(event) = self.queued.take() {
            self.runtime_waits = false;
            return Polled::Event(event);
        }
        self.runtime = Some(parked);
        self.runtime_waits = true;
        Polled::Parked
    }

    /// Goes idle when all wait; answers whom to tell, outside the lock. Where extensions have a
    /// say nobody is told: the invocation has yet to be written up, then comes
    /// [`Self::release`].
    pub(super) fn settle(&mut self, journal: &Journal) -> Option<Weak<dyn Readiness>> {
        let waits = self.runtime_waits && self.extensions.values().all(|one| one.waits);
        let is_here = |name: &String| self.extensions.values().any(|one| one.name == *name);
        if !waits || !self.expected.iter().all(is_here) {
            return None;
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Init(init) => {
                for extension in self.extensions.values() {
                    journal.extension(extension.state("Ready", None));
                }
                let _ = init.send(Init::Done); // an environment nobody waits for is removed
                None
            }
            Phase::Busy { answered: true, .. } if self.extensions.is_empty() => {
                self.observer.clone()
            }
            Phase::Busy { answered: true, .. } => None,
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// True when an invocation is over and all wait.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Whom to tell that the environment may take its next event.
    pub(super) fn release(&mut self) -> Option<Weak<dyn Readiness>> {
        self.observer.clone().filter(|_| self.is_settled())
    }

    /// How each extension stands that has come so far, and those that should have.
    pub(super) fn extension_states(&self, error_type: &str) -> Vec<ExtensionState> {
        let missing = self
            .expected
            .iter()
            .filter(|name| self.extensions.values().all(|extension| extension.name != **name));
        let missing = missing.map(|name| {
            let extension = Extension { name: name.clone(), ..Extension::default() };
            extension.state("LaunchError", Some(error_type.to_owned()))
        });
        let here = self.extensions.values().map(|extension| match extension.waits {
            true => extension.state("Ready", None),
            false => extension.state("Registered", None),
        });
        here.chain(missing).collect()
    }

    /// Begins an invocation; answers the connection to write the event to. Without one the
    /// event waits for the runtime's poll.
    pub(super) fn begin(
        &mut self,
        request_id: &str,
        answer: oneshot::Sender<Posted>,
        head: &[u8],
        event: &Bytes,
    ) -> Option<Parked> {
        let request_id = request_id.to_owned();
        self.phase = Phase::Busy { request_id, answer: Some(answer), answered: false };
        self.runtime_waits = false;
        let parked = self.runtime.take();
        if parked.is_none() {
            let mut whole = BytesMut::with_capacity(head.len() + event.len());
            whole.extend_from_slice(head);
            whole.extend_from_slice(event);
            self.queued = Some(whole.freeze());
        }
        parked
    }

    /// The runtime begins to answer: takes the invoker's channel.
    pub(super) fn take_answer(&mut self, id: &str) -> Result<oneshot::Sender<Posted>, NotNow> {
        match &mut self.phase {
            Phase::Busy { request_id, answer, .. } if request_id == id => {
                answer.take().ok_or(NotNow::State("RuntimeInvocationResponded"))
            }
            Phase::Busy { .. } | Phase::Idle => Err(NotNow::WrongId),
            Phase::Init(_) => Err(NotNow::State("RuntimeInitializing")),
            Phase::Ended => Err(NotNow::State("RuntimeInitError")),
        }
    }

    /// The runtime has answered: it may poll again.
    pub(super) fn mark_answered(&mut self) {
        if let Phase::Busy { answered, .. } = &mut self.phase {
            *answered = true;
        }
    }

    /// Initialization failed; false when it is not the time for that.
    pub(super) fn fail_init(&mut self, error_type: String, document: Bytes) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Init(init) => {
                let _ = init.send(Init::Error { error_type, document });
                true
            }
            other => {
                self.phase = other;
                false
            }
        }
    }

    /// A connection has ended: nobody waits on it any more.
    pub(super) fn forget(&mut self, connection: u64) {
        let is_it = |parked: &Option<Parked>| {
            parked.as_ref().is_some_and(|parked| parked.connection == connection)
        };
        if is_it(&self.runtime) {
            self.runtime = None; // it counts as waiting: a new poll is on its way, or its exit
        }
        for extension in self.extensions.values_mut() {
            if is_it(&extension.parked) {
                extension.parked = None;
            }
        }
    }

    /// Queues word of an invocation for each extension that wants it.
    pub(super) fn notify_extensions(
        &mut self,
        notice: &InvokeNotice<'_>,
        ids: &IdSource,
    ) -> Vec<(Parked, Bytes)> {
        let wanting = self.extensions.values_mut().filter(|one| one.wants_invoke);
        wanting.filter_map(|one| one.tell(notice.message(ids))).collect()
    }

    pub(super) fn shut_down(
        &mut self,
        reason: ShutdownReason,
        deadline_ms: i64,
        ids: &IdSource,
    ) -> Vec<(Parked, Bytes)> {
        self.phase = Phase::Ended;
        let wanting = self.extensions.values_mut().filter(|one| one.wants_shutdown);
        wanting.filter_map(|one| one.tell(reason.message(deadline_ms, ids))).collect()
    }
}
