//! One container: what it runs, as whom, from which root, with what kept from it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Limits, Mount};

/// One container.
///
/// With [`Root::Image`] whatever is left empty comes from the image's configuration: the image
/// and these overrides are merged below the door, by Docker's rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Unique in its sandbox.
    pub name: String,
    /// Which run of this container it is. The same number again only reports; a higher one,
    /// once the run before has ended, starts it anew (see [`crate::Substrate::start`]).
    pub attempt: u32,
    /// Its root file system.
    pub root: Root,
    /// In place of the image's entry point; `Some` (even empty) drops the image's command too.
    /// Put before `argv`.
    pub entrypoint: Option<Vec<String>>,
    /// Program and arguments. With an image: its command's replacement, where not empty; a name
    /// without a slash is looked up in the container's `PATH`. Else the program's path is
    /// absolute inside the root.
    pub argv: Vec<String>,
    /// The whole environment; with an image, laid over the image's (and `PATH`, `HOME`,
    /// `HOSTNAME` are there in any case).
    pub env: Vec<(String, String)>,
    /// Working directory inside the root; empty is the image's, else `/`. With an image it is
    /// made where it is not there.
    pub cwd: String,
    /// Who its first process is.
    pub user: RunAs,
    /// Mounted over the root, in this order.
    pub mounts: Vec<Mount>,
    /// Its own bounds within its sandbox's.
    pub limits: Limits,
    /// Limits of each process, by the kernel's names.
    pub ulimits: Vec<Ulimit>,
    /// Capabilities beside the usual ones.
    pub capabilities_add: Vec<Capability>,
    /// Usual capabilities that it lacks; goes before `capabilities_add` where it says `ALL`.
    pub capabilities_drop: Vec<Capability>,
    /// Its programs can gain no privilege that they do not start with. Always so with
    /// [`Root::Host`].
    pub no_new_privileges: bool,
    /// Its users and groups are its own: its root is nobody on the host, whatever it gets hold of.
    /// With [`Root::Image`] alone; the containers of a sandbox that ask for it share them.
    pub own_users: bool,
    /// Devices of the host that it may use, beside those that every container has.
    pub devices: Vec<Device>,
    /// An image's root cannot be written. Roots of the host never can.
    pub read_only_root: bool,
    /// Most bytes that an image's writable layer holds, where the host can bound it on disk.
    pub root_size_bytes: Option<u64>,
    /// Size of `/dev/shm`; 64 MiB where not told.
    pub shm_size_bytes: Option<u64>,
    /// Kernel parameters of its namespaces: `net.*`, `kernel.msg*`, `kernel.sem`, `kernel.shm*`,
    /// `fs.mqueue.*`.
    pub sysctls: BTreeMap<String, String>,
    /// A first process that reaps what its program leaves. Without it, an image's program is
    /// process 1 itself: the kernel then keeps from it the signals that it does not handle.
    pub init: bool,
    /// How it is asked to end.
    pub stop: Stop,
    /// Its standard input, output and error are one terminal.
    pub terminal: bool,
    /// Its standard input is open and never brings anything, where it is no terminal; else it is at
    /// its end.
    pub open_stdin: bool,
    /// What becomes of what it writes.
    pub output: OutputMode,
    /// The template whose waiting sandbox may be taken for this container. Then root, argv,
    /// cwd and user are the template's, and `mounts` come in late.
    pub template: Option<WarmTemplate>,
    /// Sent once on descriptor 3 (a stream socket; the environment variable `HAAR_ASSIGN_FD`
    /// is `3`) when all mounts and limits are in place, followed by end of file. None: there is
    /// no descriptor 3.
    pub assignment: Option<Bytes>,
}

impl ContainerSpec {
    /// A container as its image says; the rest is filled in by assignment or by
    /// `..ContainerSpec::new(name, root)`.
    pub fn new(name: impl Into<String>, root: Root) -> Self {
        Self {
            name: name.into(),
            attempt: 0,
            root,
            entrypoint: None,
            argv: Vec::new(),
            env: Vec::new(),
            cwd: String::new(),
            user: RunAs::Image,
            mounts: Vec::new(),
            limits: Limits::default(),
            ulimits: Vec::new(),
            capabilities_add: Vec::new(),
            capabilities_drop: Vec::new(),
            no_new_privileges: false,
            own_users: false,
            devices: Vec::new(),
            read_only_root: false,
            root_size_bytes: None,
            shm_size_bytes: None,
            sysctls: BTreeMap::new(),
            init: false,
            stop: Stop::default(),
            terminal: false,
            open_stdin: false,
            output: OutputMode::Stream,
            template: None,
            assignment: None,
        }
    }
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

/// A root file system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Root {
    /// The host's own programs: `/usr`, `/bin`, `/lib*`, and the few files of `/etc` that
    /// programs need (passwd, group, nsswitch, ssl, ld.so), with fresh `/proc`, `/dev`, `/tmp`;
    /// none of the host's other files. Read-only.
    Host {
        /// More of the host's directories to show at the same path (interpreters elsewhere).
        also: Vec<PathBuf>,
    },
    /// An image from the store, with a layer of its own to write into.
    Image(ImageId),
}

/// An image in the image store: the digest of the manifest for this host's platform (never
/// that of an index), `sha256:` and 64 hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ImageId(pub String);

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process's user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct User {
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
}

/// Who a container's first process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunAs {
    /// Whom the image names; root where it names nobody, and with a root of the host's.
    Image,
    /// These ids, no other groups.
    Ids(User),
    /// `user`, `uid`, `user:group`, `uid:gid` and their mixtures, looked up in the image's
    /// `/etc/passwd` and `/etc/group`, with the groups that it is a member of.
    Named(String),
}

impl From<User> for RunAs {
    fn from(user: User) -> Self {
        Self::Ids(user)
    }
}

/// A capability by its kernel name without `CAP_`: `NET_ADMIN`; `ALL` is all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Capability(pub String);

/// A device of the host, as a container finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its node on the host.
    pub host: PathBuf,
    /// Where the container finds it.
    pub target: String,
    /// It can be read.
    pub read: bool,
    /// It can be written.
    pub write: bool,
    /// More nodes of it can be made, by who may make nodes.
    pub make: bool,
}

/// A limit of each process; never above the host's own hard limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// As in `setrlimit`, without `RLIMIT_`, in lower case: `nofile`, `nproc`, `core`.
    pub name: String,
    /// The limit that its processes start with.
    pub soft: u64,
    /// The limit to which they may raise it.
    pub hard: u64,
}

/// How a container is asked to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// `SIGTERM`, `TERM` or `15`; the image's where not told, else `SIGTERM`.
    pub signal: Option<String>,
    /// Waited before it is killed, where the sandbox is removed as a whole and this is shorter
    /// than that grace.
    pub timeout: Option<Duration>,
}

/// What becomes of a container's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputMode {
    /// Handed over as a stream, once: [`crate::Substrate::output`]. A reader that is slow
    /// holds up the container.
    Stream,
    /// Kept by the helper, whatever becomes of the server, up to this many bytes, the newest:
    /// [`crate::Substrate::logs`]. The container is never held up.
    Kept {
        /// Bytes on disk.
        bytes: u64,
    },
    /// Thrown away.
    Discard,
}

/// Kernel parameters of a container's own, of what its processes tell each other by; those of
/// `net.*` are its sandbox's. AWS docs: *Amazon ECS API Reference > SystemControl*.
pub fn is_between_processes(parameter: &str) -> bool {
    const NAMES: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    NAMES.contains(&parameter) || parameter.starts_with("fs.mqueue.")
}
