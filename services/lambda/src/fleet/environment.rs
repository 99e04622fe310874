//! One environment: a sandbox with a runtime that takes one event at a time.

mod ending;
mod making;
mod outward;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use haar_clock::Elapsed;
use haar_substrate::{Exit, SandboxId, SubstrateError};
use haar_types::RequestId;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::AbortHandle;

use super::pool::Returner;
use super::spec::{ImageRoot, NoImage, Plan, ProgramFault, RUNTIME, extension_names, limits};
use super::{Era, FunctionFailure, FunctionTarget, InvokeRequest, LogFormat};
use crate::doors::{FleetDoors, ImageFailure, NotAssumable};
use crate::log::{InitPhase, InitReport, Journal, Lines, Status};
use crate::runtime_api::{ApiParts, Identity, Init, InvokeNotice, Posted, RuntimeApi};
use crate::runtimes::Launch;
use crate::telemetry::{Place, Telemetry};
use making::Making;

/// An exit is noticed before the last bytes that the process sent are read; they get this long.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// One environment.
pub(super) struct Environment {
    pub(super) id: SandboxId,
    pub(super) target: Arc<FunctionTarget>,
    pub(super) journal: Journal,
    pub(super) stream: String,
    /// Made ahead.
    pub(super) provisioned: bool,
    pub(super) api: Arc<RuntimeApi>,
    telemetry: Arc<Telemetry>,
    doors: FleetDoors,
    exit: watch::Receiver<Option<Ended>>,
    returner: OnceLock<Arc<Returner>>,
    loops: Vec<AbortHandle>,
    /// Containers that hold extensions.
    extensions: Vec<String>,
    frozen: Mutex<bool>,
    ending: AtomicBool,
}

/// A container has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    container: String,
    exit: Exit,
}

/// Why an environment did not come to be.
pub(super) enum StartFailure {
    /// The function's own program cannot be started.
    Program(ProgramFault),
    /// The function's image is not here, and could not be had.
    Image(ImageFailure),
    /// Lambda may not assume the function's role.
    Role,
    /// haar could not.
    Substrate(SubstrateError),
}

impl From<NoImage> for StartFailure {
    fn from(reason: NoImage) -> Self {
        match reason {
            NoImage::Fault(fault) => Self::Program(fault),
            NoImage::Missing(failure) => Self::Image(failure),
        }
    }
}

/// How an initialization ended.
pub(super) enum InitEnd {
    Done,
    Failed(Init),
    Exited(Ended),
    TimedOut,
}

impl Environment {
    /// Makes the sandbox and starts the runtime in it; answers word of its initialization too.
    pub(super) async fn start(
        doors: &FleetDoors,
        target: &Arc<FunctionTarget>,
        launch: &Launch,
        initialization_type: &'static str,
        (stream, era): (Option<String>, Era),
    ) -> Result<(Self, oneshot::Receiver<Init>), StartFailure> {
        let image = ImageRoot::find(doors, target).await?;
        let ids = doors.ids.ids();
        let id = SandboxId(format!("lambda-{}", ids.hex(16)));
        let phase = if stream.is_some() { InitPhase::Invoke } else { InitPhase::Init };
        let stream = stream.unwrap_or_else(|| stream_name(target, doors, &ids.hex32()));
        let function = target.arn();
        let wanted = doors.credentials.credentials(&target.account, &target.role_arn, &function);
        let credentials = wanted.await.map_err(|NotAssumable| StartFailure::Role)?;
        let plan = Plan {
            id: id.clone(),
            target,
            launch,
            image: image.as_ref(),
            stream: &stream,
            initialization_type,
            credentials,
        };
        let spec = plan.sandbox().map_err(StartFailure::Program)?;
        let identity = Identity {
            function_name: target.function_name.clone(),
            version: target.version.clone(),
            handler: target.handler.clone(),
            account: target.account.to_string(),
            extensions: extension_names(&spec),
        };
        let place = Place {
            substrate: Arc::clone(&doors.substrate),
            clock: doors.clock.clone(),
            sandbox: id.clone(),
        };
        let telemetry = Telemetry::new(place, target.logging.format == LogFormat::Json);
        let (journal, entries) = Journal::open(era);
        let (api, initialized) = RuntimeApi::new(ApiParts {
            identity,
            ids: doors.ids.clone(),
            clock: doors.clock.clone(),
            journal: journal.clone(),
            telemetry: Arc::clone(&telemetry),
        });
        let lines = Lines::new(target, &launch.version, initialization_type, phase);
        let made = Making { doors, target, api, journal, entries, telemetry, lines, stream, spec };
        match made.make().await {
            Ok(environment) => {
                environment.journal.init_start(launch.warning.clone());
                Ok((environment, initialized))
            }
            Err(error) => {
                if let Err(error) = doors.substrate.remove(&id, Duration::ZERO).await {
                    tracing::warn!(%error, %id, "what an environment left ends with the server");
                }
                Err(error)
            }
        }
    }

    /// Waits until the runtime polls, fails, or `limit` has passed.
    pub(super) async fn initialize(
        &self,
        initialized: oneshot::Receiver<Init>,
        limit: Duration,
    ) -> InitEnd {
        let ended = async {
            tokio::select! {
                biased;
                Ok(init) = initialized => match init {
                    Init::Done => InitEnd::Done,
                    failed => InitEnd::Failed(failed),
                },
                ended = self.ended() => InitEnd::Exited(ended),
            }
        };
        let end = self.doors.clock.timeout(limit, ended).await.unwrap_or(InitEnd::TimedOut);
        self.telemetry.close_subscriptions();
        if matches!(end, InitEnd::Done) {
            self.settle().await;
        }
        end
    }

    /// From now on the function has the CPU that its memory gives.
    async fn settle(&self) {
        if let Err(error) = self.doors.substrate.resize(&self.id, &limits(&self.target)).await {
            tracing::debug!(%error, sandbox = %self.id, "its limits were not set: it has ended");
        }
    }

    /// Gives one event to the runtime and waits for its answer, at most `limit`.
    pub(super) async fn invoke(
        &self,
        request: &InvokeRequest,
        event: &Bytes,
        trace: &str,
        limit: Duration,
    ) -> Result<Posted, FunctionFailure> {
        let id = &request.request_id;
        match self.doors.clock.timeout(limit, self.exchange(request, event, trace, limit)).await {
            Ok(Ok(posted)) => Ok(posted),
            Ok(Err(ended)) => Err(self.failure(&ended, id)),
            Err(Elapsed) => Err(self.time_out(id)),
        }
    }

    /// The function took too long: says so in its log.
    pub(super) fn time_out(&self, id: &RequestId) -> FunctionFailure {
        let limit = self.target.timeout;
        self.journal.timed_out(id.as_str(), limit);
        FunctionFailure::timed_out(id, limit)
    }

    async fn exchange(
        &self,
        request: &InvokeRequest,
        event: &Bytes,
        trace: &str,
        limit: Duration,
    ) -> Result<Posted, Ended> {
        let deadline_ms = (self.doors.clock.machine().now() + limit).0;
        let head = next_head(request, event, trace, deadline_ms);
        let notice = InvokeNotice {
            request_id: request.request_id.as_str(),
            deadline_ms,
            function_arn: &request.invoked_arn,
            trace,
        };
        let dispatched = self.api.dispatch(request.request_id.as_str(), &head, event, notice).await;
        let Ok(mut answer) = dispatched else { return Err(self.ended().await) };
        tokio::select! {
            biased;
            posted = &mut answer => match posted {
                Ok(posted) => Ok(posted),
                Err(_) => Err(self.ended().await), // it broke off; its end or the limit comes
            },
            ended = self.ended() => {
                let last = self.doors.clock.timeout(LAST_WORDS, answer).await;
                last.ok().and_then(Result::ok).ok_or(ended)
            }
        }
    }

    /// Resolves when a container of the environment has ended.
    pub(super) async fn ended(&self) -> Ended {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
        match ended {
            Some(ended) => ended,
            None => {
                // It is being removed, with all that is in it.
                let exit = Exit { code: None, signal: Some(9), out_of_memory: false };
                Ended { container: RUNTIME.to_owned(), exit }
            }
        }
    }

    /// The container that has ended, if one has.
    pub(super) fn has_ended(&self) -> Option<Ended> {
        self.exit.borrow().clone()
    }

    pub(super) fn observe(&self, returner: Returner) {
        let returner = Arc::new(returner);
        let observer = Arc::downgrade(&returner);
        let _ = self.returner.set(returner); // an environment joins one pool
        self.api.observe(observer);
    }

    /// Lets its processes go on.
    pub(super) async fn thaw(&self) -> Result<(), SubstrateError> {
        let mut frozen = self.frozen.lock().await;
        if *frozen {
            self.doors.substrate.freeze(&self.id, false).await?;
            *frozen = false;
            self.telemetry.set_frozen(false);
        }
        Ok(())
    }

    /// Stops its processes where they are, if `still` says so.
    pub(super) async fn freeze(&self, still: impl FnOnce() -> bool) {
        let mut frozen = self.frozen.lock().await;
        if *frozen || !still() || self.ending.load(Ordering::Relaxed) {
            return;
        }
        match self.doors.substrate.freeze(&self.id, true).await {
            Ok(()) => {
                *frozen = true;
                self.telemetry.set_frozen(true);
            }
            Err(error) => tracing::debug!(sandbox = %self.id, %error, "could not freeze"),
        }
    }

    pub(super) async fn is_frozen(&self) -> bool {
        *self.frozen.lock().await
    }
}

impl Environment {
    /// What a container's end means for the invocation that it cut short.
    pub(super) fn failure(&self, ended: &Ended, id: &RequestId) -> FunctionFailure {
        if ended.container == RUNTIME {
            return FunctionFailure::exited(id, ended.exit);
        }
        let name = ended.container.trim_start_matches("extension-");
        let text = match (ended.exit.code, ended.exit.signal) {
            (Some(code), _) => format!("exit status {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        let text = format!("extension {name} exited with error: {text}");
        let mut failure = FunctionFailure::platform("Extension.Crash", id, &text);
        if let Some(error_type) = self.api.extension_error() {
            failure.error_type = error_type;
        }
        failure
    }

    /// Its initialization went well, and took so long. From now on its end is watched for.
    #[allow(clippy::disallowed_methods)] // the environment's own loop
    pub(super) fn initialized(self: &Arc<Self>, duration: Duration) {
        if self.telemetry.is_open() || self.target.logging.format == LogFormat::Json {
            let (status, error_type) = (Status::Success, None);
            self.journal.init_report(InitReport { duration, status, error_type });
        }
        let (mut exit, weak) = (self.exit.clone(), Arc::downgrade(self));
        tokio::spawn(async move {
            let _ = exit.wait_for(Option::is_some).await; // or the environment is gone
            if let Some(environment) = weak.upgrade()
                && let Some(returner) = environment.returner.get()
            {
                returner.gone();
            }
        });
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        for running in &self.loops {
            running.abort();
        }
    }
}

/// AWS docs: *Viewing CloudWatch logs for Lambda functions*.
pub(super) fn stream_name(target: &FunctionTarget, doors: &FleetDoors, id: &str) -> String {
    let day = doors.clock.now().strftime("%Y/%m/%d");
    let (name, version) = (&target.function_name, &target.version);
    match target.logging.group == format!("/aws/lambda/{name}") {
        true => format!("{day}/[{version}]{id}"),
        false => format!("{day}/{name}[{version}]{id}"),
    }
}

/// The answer to the runtime's poll, up to its body.
fn next_head(request: &InvokeRequest, event: &Bytes, trace: &str, deadline_ms: i64) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut head = String::with_capacity(512);
    let _ = write!(
        head,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Aws-Request-Id: {}\r\nLambda-Runtime-Deadline-Ms: {deadline_ms}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: {}\r\nLambda-Runtime-Trace-Id: {trace}\r\n",
        request.request_id.as_str(),
        request.invoked_arn
    ); // writing to a String does not fail
    if let Some(context) = &request.client_context {
        let context = context.replace(|letter: char| letter.is_control(), " ");
        let _ = write!(head, "Lambda-Runtime-Client-Context: {context}\r\n");
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n", event.len());
    head.into_bytes()
}
