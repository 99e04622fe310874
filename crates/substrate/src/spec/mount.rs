//! What containers see besides their root.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mount {
    /// A directory or file of the host.
    Bind {
        /// On the host.
        source: PathBuf,
        /// Inside.
        target: String,
        /// Without writing.
        read_only: bool,
    },
    /// Directories laid over each other, the last on top, read-only (Lambda layers).
    Union {
        /// On the host, lowest first.
        sources: Vec<PathBuf>,
        /// Inside.
        target: String,
    },
    /// Memory-backed scratch space, owned by the container's user.
    Tmpfs {
        /// Inside.
        target: String,
        /// Most bytes it holds.
        size_bytes: u64,
    },
    /// Disk-backed scratch space that ends with the sandbox, owned by the container's user.
    /// Containers with the same one share it. Where the host cannot bound it on disk it is in
    /// memory, counted as the sandbox's, and not shared.
    Scratch {
        /// Inside.
        target: String,
        /// Most bytes it holds.
        size_bytes: u64,
    },
    /// One of the sandbox's volumes; containers that mount the same one share it.
    Volume {
        /// Its name in [`crate::SandboxSpec::volumes`].
        name: String,
        /// Inside.
        target: String,
        /// Without writing.
        read_only: bool,
    },
}

/// A directory that containers of a sandbox share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Unique in its sandbox.
    pub name: String,
    /// Where its content is.
    pub source: VolumeSource,
}

/// Where a volume's content is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeSource {
    /// An empty directory on disk that ends with the sandbox.
    Empty {
        /// Most bytes it holds, where the host can bound it.
        size_bytes: Option<u64>,
    },
    /// A directory of the host that stays.
    Directory {
        /// On the host.
        root: PathBuf,
        /// Where in it, as a plain absolute path. Whatever links containers leave there, it is
        /// inside `root`.
        inside: String,
        /// Made, with those above it, where it is not there; else that is refused.
        create: bool,
    },
}
