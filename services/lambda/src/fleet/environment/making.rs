//! Making an environment's sandbox and the loops that look after it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use haar_kernel::serve_inside;
use haar_substrate::{Exit, OUTSIDE, SandboxId, SandboxSpec, SubstrateError};
use tokio::sync::{Mutex, watch};

use super::super::FunctionTarget;
use super::super::spec::{ProgramFault, RUNTIME};
use super::{Ended, Environment, StartFailure, outward};
use crate::doors::FleetDoors;
use crate::log::{Entries, Journal, JournalParts, Lines, Output};
use crate::runtime_api::RuntimeApi;
use crate::runtimes::{API_PORT, RUNTIME_API_PORT};
use crate::telemetry::Telemetry;

/// An environment on its way.
pub(super) struct Making<'a> {
    pub(super) doors: &'a FleetDoors,
    pub(super) target: &'a Arc<FunctionTarget>,
    pub(super) api: Arc<RuntimeApi>,
    pub(super) journal: Journal,
    pub(super) entries: Entries,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) lines: Lines,
    pub(super) stream: String,
    pub(super) spec: SandboxSpec,
}

impl Making<'_> {
    #[allow(clippy::disallowed_methods)] // the environment's own loops
    pub(super) async fn make(self) -> Result<Environment, StartFailure> {
        let substrate = &self.doors.substrate;
        let id = self.spec.id.clone();
        let cwd = self.spec.containers.last().map(|one| one.cwd.clone()).unwrap_or_default();
        let names: Vec<String> = self.spec.containers.iter().map(|one| one.name.clone()).collect();
        match substrate.ensure(self.spec).await {
            Ok(_) => {}
            Err(SubstrateError::Refused { program, reason }) => {
                let fault = ProgramFault::refused(&program, &reason, &cwd);
                return Err(StartFailure::Program(fault));
            }
            Err(error) => return Err(StartFailure::Substrate(error)),
        }
        let local = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let listener = substrate
            .listener(&id, local(RUNTIME_API_PORT))
            .await
            .map_err(StartFailure::Substrate)?;
        let api = Arc::clone(&self.api);
        let serving = tokio::spawn(async move {
            if let Err(error) = api.serve(listener).await {
                tracing::warn!(%error, "could not serve the Runtime API");
            }
        });
        let door =
            substrate.listener(&id, local(API_PORT)).await.map_err(StartFailure::Substrate)?;
        let door = tokio::spawn(open_door(self.doors.clone(), id.clone(), door));
        let outside = substrate.listener(&id, OUTSIDE).await.map_err(StartFailure::Substrate)?;
        let way_out = tokio::spawn(outward::lead(self.doors.clone(), outside));
        let mut outputs = Vec::new();
        let extensions = names.iter().filter(|name| *name != RUNTIME).cloned().collect();
        let (ended, exit) = watch::channel(None);
        let mut loops = vec![serving.abort_handle(), door.abort_handle(), way_out.abort_handle()];
        for name in names {
            let chunks = substrate.output(&id, &name).await.map_err(StartFailure::Substrate)?;
            outputs.push(Output { from_extension: name != RUNTIME, chunks });
            let watching = watch_exit(Arc::clone(substrate), id.clone(), name, ended.clone());
            loops.push(tokio::spawn(watching).abort_handle());
        }
        let provisioned = self.lines.initialization_type != "on-demand";
        self.entries.work(JournalParts {
            doors: self.doors.clone(),
            target: Arc::clone(self.target),
            lines: self.lines,
            sandbox: id.clone(),
            stream: self.stream.clone(),
            outputs,
            telemetry: Arc::clone(&self.telemetry),
        });
        Ok(Environment {
            id,
            target: Arc::clone(self.target),
            journal: self.journal,
            telemetry: self.telemetry,
            stream: self.stream,
            provisioned,
            api: self.api,
            doors: self.doors.clone(),
            exit,
            returner: OnceLock::new(),
            loops,
            extensions,
            frozen: Mutex::new(false),
            ending: AtomicBool::new(false),
        })
    }
}

async fn watch_exit(
    substrate: Arc<dyn haar_substrate::Substrate>,
    id: SandboxId,
    container: String,
    ended: watch::Sender<Option<Ended>>,
) {
    let exit = match substrate.wait(&id, &container).await {
        Ok(exit) => exit,
        Err(_) => Exit { code: None, signal: None, out_of_memory: false },
    };
    ended.send_if_modified(|known| {
        let first = known.is_none();
        if first {
            *known = Some(Ended { container, exit });
        }
        first
    });
}

async fn open_door(doors: FleetDoors, sandbox: SandboxId, listener: std::net::TcpListener) {
    let prepared = listener.set_nonblocking(true);
    match prepared.and_then(|()| tokio::net::TcpListener::from_std(listener)) {
        Ok(listener) => serve_inside(doors.api, doors.clock, sandbox, listener).await,
        Err(error) => tracing::warn!(%error, "could not open the API inside a sandbox"),
    }
}
