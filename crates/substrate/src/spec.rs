//! What shall run.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddrV4;
use std::path::PathBuf;

use bytes::Bytes;
use haar_types::{CpuUnits, MemoryMib};
use serde::{Deserialize, Serialize};

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

/// An image by registry, repository and tag or digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageRef(pub String);

impl fmt::Display for ImageRef {
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
    pub listen: Vec<SocketAddrV4>,
    /// Limits over all its containers together.
    pub limits: Limits,
    /// What runs in it, started in this order.
    pub containers: Vec<ContainerSpec>,
}

/// A sandbox's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// A loopback interface of its own and nothing else.
    Loopback,
}

/// Upper bounds; `None` is the host's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory with page cache; the kernel kills beyond it.
    pub memory: Option<MemoryMib>,
    /// CPU time per wall time; 1,024 units are one core.
    pub cpu: Option<CpuUnits>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Open files of each process.
    pub files: Option<u64>,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Unique in its sandbox.
    pub name: String,
    /// Its root file system.
    pub root: Root,
    /// Program and arguments; the program by absolute path inside the root.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory inside the root.
    pub cwd: String,
    /// Who its first process is.
    pub user: User,
    /// Mounted over the root, in this order.
    pub mounts: Vec<Mount>,
    /// The template whose waiting sandbox may be taken for this container. Then root, argv,
    /// cwd and user are the template's, and `mounts` come in late.
    pub template: Option<WarmTemplate>,
    /// Sent once on descriptor 3 (a stream socket; the environment variable `HAAR_ASSIGN_FD`
    /// is `3`) when all mounts and limits are in place, followed by end of file. None: there is
    /// no descriptor 3.
    pub assignment: Option<Bytes>,
}

/// An interpreter that starts ahead of its work and blocks on descriptor 3 for it.
/// Two templates that are equal share waiting sandboxes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WarmTemplate {
    /// For people: `python3.12`.
    pub name: String,
    /// Its root file system.
    pub root: Root,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The environment while it waits; the assignment brings the rest.
    pub env: Vec<(String, String)>,
    /// Mounts that every sandbox of this template has.
    pub mounts: Vec<Mount>,
    /// Sockets opened ahead.
    pub listen: Vec<SocketAddrV4>,
    /// Who its first process is.
    pub user: User,
    /// Directories that late mounts go onto; made empty in the root.
    pub mount_points: Vec<String>,
}

/// A root file system, always read-only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Root {
    /// The host's own programs: `/usr`, `/bin`, `/lib*`, and the few files of `/etc` that
    /// programs need (passwd, group, nsswitch, ssl, ld.so), with fresh `/proc`, `/dev`, `/tmp`;
    /// none of the host's other files.
    Host {
        /// More of the host's directories to show at the same path (interpreters elsewhere).
        also: Vec<PathBuf>,
    },
    /// An image from the store.
    Image(ImageRef),
}

/// A process's user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct User {
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
}

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
}
