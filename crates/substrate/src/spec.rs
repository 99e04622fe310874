//! What shall run.

mod container;
mod mount;
mod network;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use haar_types::{CpuUnits, MemoryMib};
use serde::{Deserialize, Serialize};

pub use container::{
    Capability, ContainerSpec, Device, ImageId, OutputMode, Root, RunAs, Stop, Ulimit, User,
    WarmTemplate, is_between_processes,
};
pub use mount::{Mount, Volume, VolumeSource};
pub use network::{
    Bridged, Filter, FilterRule, Network, Peer, PortMapping, Protocol, RuleProtocol, TELLERS,
};

/// Names a sandbox; `[a-z0-9-]`, at most 63 letters. Its maker chooses it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SandboxId(pub String);

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long a sandbox lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifetime {
    /// Dies with the server that made it (Lambda environments).
    Server,
    /// Outlives the server and is adopted by the next (tasks, instances).
    Own,
}

/// One sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// Names it.
    pub id: SandboxId,
    /// Kept with the sandbox and told by [`crate::Substrate::list`].
    pub labels: BTreeMap<String, String>,
    /// When it ends without being told to.
    pub lifetime: Lifetime,
    /// The name that its processes see as their host's.
    pub hostname: String,
    /// What network it has.
    pub network: Network,
    /// Sockets to open inside before any container starts; see [`crate::Substrate::listener`].
    /// Its address need not be the network's: `169.254.170.2` is put on the loopback interface.
    /// [`OUTSIDE`] is a way out.
    pub listen: Vec<SocketAddrV4>,
    /// Limits over all its containers together.
    pub limits: Limits,
    /// Directories that its containers mount by name; see [`Mount::Volume`].
    pub volumes: Vec<Volume>,
    /// Lines of `/etc/hosts` beside those for `localhost` and its own name.
    pub hosts: Vec<(IpAddr, String)>,
    /// What runs in it, started in this order. With [`Lifetime::Own`] none may be given: then
    /// the sandbox is made, and [`crate::Substrate::start`] starts its containers one by one.
    pub containers: Vec<ContainerSpec>,
}

impl SandboxSpec {
    /// A sandbox with a loopback interface, no limits and nothing in it, that dies with the
    /// server: the rest is filled in by assignment or by `..SandboxSpec::new(id)`.
    pub fn new(id: SandboxId) -> Self {
        Self {
            hostname: id.0.clone(),
            id,
            labels: BTreeMap::new(),
            lifetime: Lifetime::Server,
            network: Network::Loopback,
            listen: Vec::new(),
            limits: Limits::default(),
            volumes: Vec::new(),
            hosts: Vec::new(),
            containers: Vec::new(),
        }
    }
}

/// Listened on in a sandbox with [`Network::Loopback`], it stands for all addresses that are not
/// in there: connections to them come to its listener, whose own address (of the accepted socket)
/// is where they were meant to go. Names are then looked up by the servers that the host asks.
/// TCP and names alone go out. Where the kernel cannot lead connections so, none ever comes.
pub const OUTSIDE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

/// Upper bounds, of a sandbox or of one container in it; `None` is the host's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory with page cache; the kernel kills beyond it.
    pub memory: Option<MemoryMib>,
    /// Memory that is left to it when the host runs short; it may use more.
    pub memory_soft: Option<MemoryMib>,
    /// CPU time per wall time; 1,024 units are one core.
    pub cpu: Option<CpuUnits>,
    /// Weight against its neighbours where CPU is short; 1,024 is usual, at least 2. `None`:
    /// as [`Self::cpu`], else the usual.
    pub cpu_shares: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Open files of each process; a container's [`ContainerSpec::ulimits`] go before.
    pub files: Option<u64>,
}
