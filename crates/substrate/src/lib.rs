//! The door to all that runs: sandboxes with containers in them.
//!
//! ECS tasks, Batch jobs, Lambda environments and instances are all sandboxes; nothing
//! above this door knows how they run, nothing below it knows AWS. Words are CRI's and
//! OCI's.
//!
//! **Invariant:** every verb is idempotent: its caller may have crashed after the effect,
//! before the record. **Invariant:** a substrate never retries on its own; controllers do.
//!
//! Begin with [`Substrate`], then [`SandboxSpec`].

#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod exec;
mod image;
#[cfg(feature = "sim")]
pub mod sim;
mod spec;
mod status;

use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

pub use error::{Resource, SubstrateError, Verb};
pub use exec::{ExecSpec, Session, TerminalSize};
pub use image::{
    BlobFile, Image, ImageConfig, ImageEntry, ImageError, ImageHealthcheck, ImageRef, ImageSource,
    ImageStore, Manifest, repository_of,
};
pub use spec::{
    Bridged, Capability, ContainerSpec, Device, Filter, FilterRule, ImageId, Lifetime, Limits,
    Mount, Network, OUTSIDE, OutputMode, Peer, PortMapping, Protocol, Root, RuleProtocol, RunAs,
    SandboxId, SandboxSpec, Stop, TELLERS, Ulimit, User, Volume, VolumeSource, WarmTemplate,
    is_between_processes,
};
pub use status::{
    Capabilities, ContainerState, ContainerStatus, End, Event, Exit, Finding, LogChunk,
    NetworkStatus, OutputChunk, SandboxStatus, Stats, Stdio, Transfer,
};

/// Runs sandboxes (CRI's word: one network namespace with its volumes and containers).
#[async_trait]
pub trait Substrate: Send + Sync + 'static {
    /// Makes the sandbox exist with its containers started, and reports it.
    /// The same id again only reports; there is never a second one, and no container of it is
    /// started again: that is [`Self::start`]'s.
    async fn ensure(&self, spec: SandboxSpec) -> Result<SandboxStatus, SubstrateError>;

    /// Makes a container exist in a sandbox that is there, and starts it. The same name and
    /// [attempt](ContainerSpec::attempt) again only reports, whatever became of it; a higher
    /// attempt starts it anew once the former run has ended (until then it only reports), with a
    /// fresh root and its kept output going on where it was. Refusals leave the sandbox as it
    /// was.
    async fn start(
        &self,
        id: &SandboxId,
        container: ContainerSpec,
    ) -> Result<SandboxStatus, SubstrateError> {
        let _ = (id, container);
        Err(unsupported(Verb::Start))
    }

    /// Sends one container its stop signal, and kills it when `grace` is over; answers how and when
    /// it ended. Its status stays, its sandbox runs on. One that has ended already only reports.
    async fn stop(
        &self,
        id: &SandboxId,
        container: &str,
        grace: Duration,
    ) -> Result<End, SubstrateError> {
        let _ = (id, container, grace);
        Err(unsupported(Verb::Signal))
    }

    /// Sends each container its stop signal, waits at most `grace`, kills the rest, and frees
    /// all that the sandbox held. Removing what is already gone succeeds.
    async fn remove(&self, id: &SandboxId, grace: Duration) -> Result<(), SubstrateError>;

    /// All that carries our label, so that a sweeper finds what the ledger forgot.
    async fn list(&self) -> Result<Vec<SandboxStatus>, SubstrateError>;

    /// The listening socket that was opened *inside* the sandbox's network namespace for
    /// one of [`SandboxSpec::listen`]; each can be taken once.
    async fn listener(
        &self,
        id: &SandboxId,
        address: SocketAddrV4,
    ) -> Result<TcpListener, SubstrateError>;

    /// A connection to what listens inside the sandbox's network namespace, in non-blocking
    /// mode; waits for it at most `limit`. A sandbox that is frozen still connects.
    ///
    /// # Errors
    /// [`SubstrateError::NoAnswer`] where nothing listens, or nothing accepts in time.
    async fn dial(
        &self,
        id: &SandboxId,
        address: SocketAddrV4,
        limit: Duration,
    ) -> Result<TcpStream, SubstrateError> {
        let _ = (id, address, limit);
        Err(SubstrateError::Unsupported(Verb::Attach, "it cannot reach into a sandbox".into()))
    }

    /// Waits until a container has ended; at once when it has.
    async fn wait(&self, id: &SandboxId, container: &str) -> Result<Exit, SubstrateError>;

    /// What a container writes to its standard output and error, from its start on, until both
    /// are closed. Can be taken once.
    async fn output(
        &self,
        id: &SandboxId,
        container: &str,
    ) -> Result<BoxStream<'static, OutputChunk>, SubstrateError>;

    /// What a container with [`OutputMode::Kept`] has written, over all its runs, from a
    /// position on (0 is the beginning; [`LogChunk::next`] goes on after a chunk), and then what
    /// it writes, until it has ended. May be asked for any number of times, by the next server
    /// too. What is not kept any more is told as [`LogChunk::lost`].
    async fn logs(
        &self,
        id: &SandboxId,
        container: &str,
        from: u64,
    ) -> Result<BoxStream<'static, LogChunk>, SubstrateError> {
        let _ = (id, container, from);
        Err(unsupported(Verb::Attach))
    }

    /// Runs a program in a container that runs, as one of its processes.
    async fn exec(
        &self,
        id: &SandboxId,
        container: &str,
        exec: ExecSpec,
    ) -> Result<Arc<dyn Session>, SubstrateError> {
        let _ = (id, container, exec);
        Err(unsupported(Verb::Exec))
    }

    /// What happens from now on, to all sandboxes. A reader that is slow is told so with
    /// [`Event::Missed`]. Ends never.
    async fn watch(&self) -> Result<BoxStream<'static, Event>, SubstrateError> {
        Err(unsupported(Verb::List))
    }

    /// Sends a signal to a container's first process.
    async fn signal(
        &self,
        id: &SandboxId,
        container: &str,
        signal: i32,
    ) -> Result<(), SubstrateError>;

    /// Freezes all processes of a sandbox, or lets them go on.
    async fn freeze(&self, id: &SandboxId, frozen: bool) -> Result<(), SubstrateError>;

    /// Freezes all processes of one container, or lets them go on.
    async fn pause(
        &self,
        id: &SandboxId,
        container: &str,
        paused: bool,
    ) -> Result<(), SubstrateError> {
        let _ = (id, container, paused);
        Err(unsupported(Verb::Signal))
    }

    /// What the sandbox uses and has used, all its containers together.
    async fn stats(&self, id: &SandboxId) -> Result<Stats, SubstrateError>;

    /// The peak of [`Stats::memory_peak_bytes`] alone: asked after every invocation, so a
    /// substrate should have it at hand.
    async fn memory_peak(&self, id: &SandboxId) -> Result<u64, SubstrateError> {
        let stats = self.stats(id).await?;
        Ok(stats.memory_peak_bytes.max(stats.memory_bytes))
    }

    /// What one container uses and has used since its run began.
    async fn container_stats(
        &self,
        id: &SandboxId,
        container: &str,
    ) -> Result<Stats, SubstrateError> {
        let _ = (id, container);
        Err(unsupported(Verb::List))
    }

    /// Sets another filter for a sandbox with [`Network::Bridged`].
    async fn filter(&self, id: &SandboxId, filter: Option<Filter>) -> Result<(), SubstrateError> {
        let _ = (id, filter);
        Err(unsupported(Verb::Signal))
    }

    /// Sets other filters for many sandboxes with [`Network::Bridged`]; those that are gone are
    /// passed over. The same for many costs little more than for one, where a substrate can.
    async fn filter_all(
        &self,
        filters: Vec<(Filter, Vec<SandboxId>)>,
    ) -> Result<(), SubstrateError> {
        for (filter, ids) in filters {
            for id in ids {
                match self.filter(&id, Some(filter.clone())).await {
                    Err(SubstrateError::Gone(_)) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Starts the peak of [`Stats::memory_peak_bytes`] anew where the host can; else does nothing.
    async fn reset_peak(&self, id: &SandboxId) -> Result<(), SubstrateError>;

    /// Sets other limits for a sandbox that runs, but for `files`. A substrate that cannot
    /// leaves them as they are.
    async fn resize(&self, id: &SandboxId, limits: &Limits) -> Result<(), SubstrateError> {
        let _ = (id, limits);
        Ok(())
    }

    /// Keeps this many sandboxes of each template waiting; templates not named are dropped.
    /// A substrate without warm starts does nothing.
    async fn prepare(&self, templates: Vec<(WarmTemplate, usize)>) -> Result<(), SubstrateError>;

    /// Where its images are pulled to; none where it runs no images.
    fn images(&self) -> Option<Arc<dyn ImageStore>> {
        None
    }

    /// What this host allows; asked once at start, shown by `haar doctor`.
    fn capabilities(&self) -> Capabilities;
}

fn unsupported(verb: Verb) -> SubstrateError {
    SubstrateError::Unsupported(verb, "this substrate has no such verb".into())
}

/// Bytes that a warm interpreter reads when it is given its work; see
/// [`ContainerSpec::assignment`].
pub type Assignment = Bytes;
