//! Why the substrate could not do as asked.

use std::fmt;
use std::net::SocketAddrV4;

use crate::{ImageId, SandboxId};

/// Why the substrate could not do as asked; controllers branch on [`Self::is_transient`] only.
#[derive(Debug, thiserror::Error)]
pub enum SubstrateError {
    /// The image is not in the image store (any more): pull it, then ask again.
    #[error("image {0} is not in the image store")]
    ImageNotFound(ImageId),
    /// There is no such sandbox, container or socket (any more).
    #[error("sandbox {0} is not there")]
    Gone(SandboxId),
    /// The spec asks for what cannot be: a program that is not there, a bad path.
    #[error("could not start {program}: {reason}")]
    Refused {
        /// What was to run.
        program: String,
        /// In words for the customer.
        reason: String,
    },
    /// The host lacks something that `haar doctor` names.
    #[error("this host cannot {0}: {1}")]
    Unsupported(Verb, String),
    /// The host is out of memory, cpu, ports or disk.
    #[error("no {0} left on this host")]
    Exhausted(Resource),
    /// No program inside accepts connections there.
    #[error("nothing answers at {1} in sandbox {0}")]
    NoAnswer(SandboxId, SocketAddrV4, #[source] std::io::Error),
    /// The backend did not answer: nothing is known about the effect.
    #[error("could not {0}: the backend did not answer: {1}")]
    Unreachable(Verb, #[source] std::io::Error),
}

impl SubstrateError {
    /// True when the same call may succeed later with nothing else changed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::ImageNotFound(_) | Self::Gone(_) | Self::Refused { .. } => false,
            Self::Unsupported(..) => false,
            Self::Exhausted(_) | Self::NoAnswer(..) | Self::Unreachable(..) => true,
        }
    }
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Make a sandbox.
    Ensure,
    /// End a sandbox.
    Remove,
    /// Ask about sandboxes.
    List,
    /// Take a socket or an output.
    Attach,
    /// Freeze, thaw or signal.
    Signal,
    /// Start a container in a sandbox that is there.
    Start,
    /// Run a program in a container that runs.
    Exec,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ensure => "start the sandbox",
            Self::Remove => "remove the sandbox",
            Self::List => "list sandboxes",
            Self::Attach => "attach to the sandbox",
            Self::Signal => "signal the sandbox",
            Self::Start => "start the container",
            Self::Exec => "run a program in the container",
        })
    }
}

/// What a host can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Memory.
    Memory,
    /// Disk space.
    Disk,
    /// Processes.
    Processes,
    /// A port of the host, or an address.
    Ports,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Processes => "processes",
            Self::Ports => "port",
        })
    }
}
