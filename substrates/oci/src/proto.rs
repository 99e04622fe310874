//! What server and helper say to each other.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use haar_substrate::{
    ContainerSpec, ExecSpec, Exit, Filter, ImageId, Lifetime, Limits, Resource, SandboxId,
    SandboxSpec, SandboxStatus, Stdio, SubstrateError, Transfer, Verb, WarmTemplate,
};
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Changes whenever a message changes; both halves must agree.
pub(crate) const PROTOCOL: u32 = 9;

/// Asked by the server. Each has a number that its answer repeats.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Hello {
        protocol: u32,
    },
    /// With what each container's image says, in their order.
    Ensure(Box<SandboxSpec>, Vec<Option<FromImage>>),
    /// Starts a container in a sandbox that is there.
    Start {
        id: SandboxId,
        container: Box<ContainerSpec>,
        image: Option<FromImage>,
    },
    /// Asks one container to end, and kills it after a while.
    Stop {
        id: SandboxId,
        container: String,
        grace: Duration,
    },
    Remove {
        id: SandboxId,
        grace: Duration,
    },
    List,
    /// A sandbox that a former server has left, with the sockets inside it.
    Adopt {
        id: SandboxId,
    },
    /// Descriptors of an adopted container's output.
    Output {
        id: SandboxId,
        container: String,
    },
    /// A TCP socket that belongs to the sandbox's network, not yet connected.
    Socket {
        id: SandboxId,
    },
    Signal {
        id: SandboxId,
        container: String,
        signal: i32,
    },
    /// Runs a program in a container, by the number that the server gives it.
    Exec {
        session: u64,
        id: SandboxId,
        container: String,
        exec: Box<ExecSpec>,
    },
    SignalSession {
        session: u64,
        signal: i32,
    },
    Filter {
        id: SandboxId,
        filter: Option<Filter>,
    },
    /// Of many sandboxes at once.
    Filters(Vec<(Filter, Vec<SandboxId>)>),
    Resize {
        id: SandboxId,
        limits: Limits,
    },
    Prepare(Vec<(WarmTemplate, usize)>),
}

/// A container of an image: its layers, and the image's wishes with the spec's laid over them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FromImage {
    /// Lowest first.
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    /// As images name users; empty is root.
    pub(crate) user: String,
    pub(crate) stop_signal: i32,
    /// Absolute and plain paths that are to be volumes.
    #[serde(default)]
    pub(crate) volumes: Vec<String>,
}

/// Answered by the helper, or told unasked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToServer {
    Answer(u64, Result<Answer, Failure>),
    Exited(Ended),
    /// So much of a container's output is kept by now.
    Written(Written),
    SessionEnded {
        session: u64,
        exit: Exit,
    },
    OutOfMemory {
        id: SandboxId,
        container: String,
    },
}

/// How a run of a container has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) id: SandboxId,
    pub(crate) container: String,
    pub(crate) attempt: u32,
    pub(crate) exit: Exit,
    pub(crate) at: Timestamp,
}

/// How much of a container's output is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) id: SandboxId,
    pub(crate) container: String,
    /// Which run of it, counted from 1.
    pub(crate) run: u64,
    pub(crate) end: u64,
    /// There may be more: its pipes are open.
    pub(crate) open: bool,
}

/// An answer that went well.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The directory of kept output in memory comes along.
    Hello,
    Done,
    Sandbox(Box<Described>),
    List(Vec<Described>),
    /// The two descriptors come along.
    Output,
    /// The descriptor comes along.
    Socket,
    /// So do a program's: its terminal, or output, error and perhaps input.
    Session,
}

/// A sandbox as the server needs to know it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) status: SandboxStatus,
    pub(crate) lifetime: Lifetime,
    /// Directory name of its cgroups, below the instance's.
    pub(crate) cgroup: String,
    pub(crate) hostname: String,
    /// The host's side of its interface, and what went over that for others.
    pub(crate) interface: Option<(String, Carriage)>,
    /// Directory names of its containers' own cgroups.
    pub(crate) groups: BTreeMap<String, String>,
    /// Output that is kept.
    pub(crate) written: Vec<Written>,
    /// What the descriptors are that come along, in their order.
    pub(crate) carried: Vec<Carried>,
}

/// What went over an interface of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Carriage {
    /// What the host's side has received.
    pub(crate) received: Transfer,
    /// What it has sent.
    pub(crate) sent: Transfer,
}

impl Carriage {
    /// So far.
    pub(crate) fn of(interface: &str) -> Self {
        let one = |way: &str| {
            let read = |what: &str| {
                let path = format!("/sys/class/net/{interface}/statistics/{way}_{what}");
                let text = std::fs::read_to_string(path).unwrap_or_default();
                text.trim().parse().unwrap_or_default()
            };
            Transfer {
                bytes: read("bytes"),
                count: read("packets"),
                error_count: read("errors"),
                dropped_count: read("dropped"),
            }
        };
        Self { received: one("rx"), sent: one("tx") }
    }

    /// What of it came after another.
    pub(crate) fn since(self, before: Self) -> Self {
        let less = |now: Transfer, before: Transfer| Transfer {
            bytes: now.bytes.saturating_sub(before.bytes),
            count: now.count.saturating_sub(before.count),
            error_count: now.error_count.saturating_sub(before.error_count),
            dropped_count: now.dropped_count.saturating_sub(before.dropped_count),
        };
        Self { received: less(self.received, before.received), sent: less(self.sent, before.sent) }
    }
}

/// A descriptor's meaning.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Carried {
    Listener(SocketAddrV4),
    Output { container: String, stream: Stdio },
}

/// An answer that went wrong, as it crosses the socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    Gone(SandboxId),
    Refused {
        program: String,
        reason: String,
    },
    Unsupported(String),
    Exhausted(Scarce),
    /// The image's layers are not there.
    NoImage(ImageId),
    /// A system call failed that should not.
    Failed(String),
    /// Another server uses this data directory.
    Busy,
}

/// What can run out, as it crosses the socket.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Scarce {
    Memory,
    Disk,
    Processes,
    Ports,
}

impl Failure {
    /// Judges what a system call answered while `doing`.
    pub(crate) fn of(doing: &str, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOMEM) => Self::Exhausted(Scarce::Memory),
            Some(libc::ENOSPC | libc::EDQUOT) => Self::Exhausted(Scarce::Disk),
            Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE) => Self::Exhausted(Scarce::Processes),
            _ => Self::Failed(format!("{doing}: {error}")),
        }
    }

    /// As callers of the substrate see it.
    pub(crate) fn into_error(self, verb: Verb) -> SubstrateError {
        match self {
            Self::Gone(id) => SubstrateError::Gone(id),
            Self::Refused { program, reason } => SubstrateError::Refused { program, reason },
            Self::NoImage(image) => SubstrateError::ImageNotFound(image),
            Self::Unsupported(why) => SubstrateError::Unsupported(verb, why),
            Self::Exhausted(scarce) => SubstrateError::Exhausted(match scarce {
                Scarce::Memory => Resource::Memory,
                Scarce::Disk => Resource::Disk,
                Scarce::Processes => Resource::Processes,
                Scarce::Ports => Resource::Ports,
            }),
            Self::Failed(why) => SubstrateError::Unreachable(verb, std::io::Error::other(why)),
            Self::Busy => {
                let why = "another server uses this data directory";
                SubstrateError::Unreachable(verb, std::io::Error::other(why))
            }
        }
    }
}

/// Adds to a failed system call what it was for.
pub(crate) trait Doing<T> {
    /// Says in the failure what was being done.
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::of(what, &error.into()))
    }
}
