//! What runs, and what it used.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::SandboxId;

/// What the substrate knows of one sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SandboxStatus {
    /// Names it.
    pub id: SandboxId,
    /// As given at its making.
    pub labels: BTreeMap<String, String>,
    /// By container name.
    pub containers: BTreeMap<String, ContainerState>,
    /// True when it was taken from a warm template's pool.
    pub warm: bool,
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

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code, where it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The kernel killed a process of the sandbox for memory.
    pub out_of_memory: bool,
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

/// What a sandbox uses.
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
}

/// What a host allows; a missing thing degrades one feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// One finding a line, for `haar doctor`: name, whether it is there, what follows.
    pub findings: Vec<Finding>,
    /// Sandboxes can run at all.
    pub usable: bool,
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
