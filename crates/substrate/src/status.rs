//! What runs, and what it used.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ImageId, PortMapping, SandboxId};

/// What the substrate knows of one sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SandboxStatus {
    /// Names it.
    pub id: SandboxId,
    /// As given at its making.
    pub labels: BTreeMap<String, String>,
    /// By container name.
    pub containers: BTreeMap<String, ContainerStatus>,
    /// Its interface, with [`crate::Network::Bridged`].
    pub network: Option<NetworkStatus>,
    /// True when it was taken from a warm template's pool.
    pub warm: bool,
}

/// A sandbox's interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Ports of the host that lead to it, with those that were free to choose.
    pub ports: Vec<PortMapping>,
}

/// What the substrate knows of one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// Its state.
    pub state: ContainerState,
    /// Which run of it this is; see [`crate::ContainerSpec::attempt`].
    pub attempt: u32,
    /// When this run began.
    pub started_at: Timestamp,
    /// When this run ended.
    pub ended_at: Option<Timestamp>,
    /// The image that it runs from.
    pub image: Option<ImageId>,
}

/// A container's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Its first process lives.
    Running {
        /// On the host.
        pid: u32,
    },
    /// Its first process ended.
    Exited(Exit),
}

impl ContainerState {
    /// How it ended, where it has.
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Running { .. } => None,
            Self::Exited(exit) => Some(*exit),
        }
    }
}

/// How a container ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code, where it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The kernel killed a process of the sandbox for memory.
    pub out_of_memory: bool,
}

/// How and when a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How.
    pub exit: Exit,
    /// When.
    pub at: Timestamp,
}

/// One of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdio {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Some output, in the order written to each stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputChunk {
    /// Which stream.
    pub stream: Stdio,
    /// What was written.
    pub bytes: Bytes,
}

/// Some output that the helper has kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// Where to go on after this chunk: see [`crate::Substrate::logs`].
    pub next: u64,
    /// When the helper read it.
    pub at: Timestamp,
    /// Which stream.
    pub stream: Stdio,
    /// What was written.
    pub bytes: Bytes,
    /// Positions between the one asked for and this chunk that are not kept any more.
    pub lost: u64,
}

/// What has happened to a container or sandbox.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A container's first process has ended.
    Exited {
        /// Its sandbox.
        id: SandboxId,
        /// Its name.
        container: String,
        /// Which run of it.
        attempt: u32,
        /// How.
        exit: Exit,
        /// When.
        at: Timestamp,
    },
    /// The kernel has killed a process of this container for memory, perhaps not its first one.
    OutOfMemory {
        /// Its sandbox.
        id: SandboxId,
        /// Its name.
        container: String,
    },
    /// The sandbox has ended with all in it and left nothing: its helper died.
    Lost(SandboxId),
    /// Events were missed: list again.
    Missed,
}

/// What a sandbox or container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Memory now.
    pub memory_bytes: u64,
    /// Most memory since its start or the last reset.
    pub memory_peak_bytes: u64,
    /// CPU time since its start.
    pub cpu: Duration,
    /// Processes and threads now.
    pub pids: u64,
    /// Processes that the kernel killed for memory.
    pub oom_kill_count: u64,
    /// Bytes of [`Self::memory_bytes`] that are file cache.
    pub cache_bytes: u64,
    /// Bytes read from block devices, and the operations.
    pub block_read: Transfer,
    /// Bytes written to block devices, and the operations.
    pub block_write: Transfer,
    /// What `eth0` has received; of the sandbox, also where a container is asked for.
    pub network_rx: Transfer,
    /// What `eth0` has sent.
    pub network_tx: Transfer,
}

/// An amount that went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Bytes.
    pub bytes: u64,
    /// Packets or operations.
    pub count: u64,
    /// Of those, the ones that failed.
    pub error_count: u64,
    /// Of those, the ones that were dropped.
    pub dropped_count: u64,
}

/// What a host allows; a missing thing degrades one feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// One finding a line, for `haar doctor`: name, whether it is there, what follows.
    pub findings: Vec<Finding>,
    /// Sandboxes can run at all.
    pub usable: bool,
    /// Sockets of [`crate::SandboxSpec::listen`] take no port from programs in sandboxes of images:
    /// those may listen on all addresses of the same port.
    pub hides_listeners: bool,
    /// [`crate::Bridged::filter`] can be had.
    pub filters_traffic: bool,
}

/// One finding about the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked for: `cgroup v1 memory`.
    pub name: String,
    /// Whether it is there.
    pub present: bool,
    /// What follows from it, and what to do where it is missing.
    pub note: String,
}
