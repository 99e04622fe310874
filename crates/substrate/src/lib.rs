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
#[cfg(feature = "sim")]
pub mod sim;
mod spec;
mod status;

use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

pub use error::{Resource, SubstrateError, Verb};
pub use spec::{
    ContainerSpec, ImageRef, Lifetime, Limits, Mount, Network, Root, SandboxId, SandboxSpec, User,
    WarmTemplate,
};
pub use status::{
    Capabilities, ContainerState, Exit, Finding, OutputChunk, SandboxStatus, Stats, Stdio,
};

/// Runs sandboxes (CRI's word: one network namespace with its volumes and containers).
#[async_trait]
pub trait Substrate: Send + Sync + 'static {
    /// Makes the sandbox exist with its containers started, and reports it.
    /// The same id again only reports; there is never a second one.
    async fn ensure(&self, spec: SandboxSpec) -> Result<SandboxStatus, SubstrateError>;

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

    /// Sends a signal to a container's first process.
    async fn signal(
        &self,
        id: &SandboxId,
        container: &str,
        signal: i32,
    ) -> Result<(), SubstrateError>;

    /// Freezes all processes of a sandbox, or lets them go on.
    async fn freeze(&self, id: &SandboxId, frozen: bool) -> Result<(), SubstrateError>;

    /// What the sandbox uses and has used.
    async fn stats(&self, id: &SandboxId) -> Result<Stats, SubstrateError>;

    /// The peak of [`Stats::memory_peak_bytes`] alone: asked after every invocation, so a
    /// substrate should have it at hand.
    async fn memory_peak(&self, id: &SandboxId) -> Result<u64, SubstrateError> {
        let stats = self.stats(id).await?;
        Ok(stats.memory_peak_bytes.max(stats.memory_bytes))
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

    /// What this host allows; asked once at start, shown by `haar doctor`.
    fn capabilities(&self) -> Capabilities;
}

/// Bytes that a warm interpreter reads when it is given its work; see
/// [`ContainerSpec::assignment`].
pub type Assignment = Bytes;
