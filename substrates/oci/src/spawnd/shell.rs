//! A shell: everything of a container but its program. Namespaces held by a first process that
//! only waits, a control group, a root; programs, mounts and listeners come later.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haar_substrate::{Limits, OUTSIDE, User};
use parking_lot::Mutex;
use rustix::mount::{MountFlags, mount};
use rustix::pipe::{PipeFlags, pipe_with};

use super::bridge::Networks;
use super::capability;
use super::child::{self, ChildError, InitPlan, Mask, ProgramPlan, ProgramSpec};
use super::clone::Child;
use super::kits::Kits;
use super::laid::Stages;
use super::mounts::Detached;
use super::net::WayOut;
use super::owners::Ranges;
use super::root::{PreparedRoot, RootKey, Roots};
use super::scratch::Scratches;
use super::seccomp::{self, Profiles};
use super::{init, net, rootfs};
use crate::cgroup::{Cgroup, Cgroups};
use crate::proto::{Doing, Failure};
use crate::sys;

/// Open files of a process where nothing is asked for.
const OPEN_FILES_DEFAULT: u64 = 1_024;

/// What the helper needs to make shells; made once.
pub(super) struct Workshop {
    pub(super) cgroups: Cgroups,
    pub(super) kits: Kits,
    pub(super) roots: Roots,
    pub(super) scratch: Scratches,
    pub(super) stages: Stages,
    pub(super) networks: Networks,
    pub(super) places: Places,
    pub(super) seccomp: Profiles,
    pub(super) masks: Vec<(CString, Mask)>,
    pub(super) masks_of_images: Vec<(CString, Mask)>,
    /// Hierarchies of control groups that containers see: where, and which.
    pub(super) groups: Vec<(CString, CString)>,
    pub(super) init: OwnedFd,
    pub(super) null: OwnedFd,
    /// To come back from a sandbox.
    pub(super) home: OwnedFd,
    /// Ids of sandboxes with users of their own.
    pub(super) ranges: Ranges,
    pub(super) open_files_max: u64,
    /// Control groups say which devices containers may use.
    pub(super) rules_devices: bool,
}

/// Directories of the helper.
pub(super) struct Places {
    /// In memory, for the helper alone.
    pub(super) memory: PathBuf,
    /// In memory: what is bound into containers. No bound but their own: what they write there is
    /// counted as their memory, and nobody can take the room of others.
    pub(super) files: PathBuf,
    /// An empty directory that roots are mounted onto on their way.
    pub(super) anchor: CString,
    /// On disk: writable layers and volumes of sandboxes.
    pub(super) disk: PathBuf,
    /// The layer below all images.
    pub(super) base: PathBuf,
    /// Kept output.
    pub(super) logs: PathBuf,
    /// Where the first of each container's is, in memory.
    pub(super) heads: PathBuf,
    pub(super) heads_dir: OwnedFd,
}

impl Places {
    /// Makes them, empty. `memory` is a memory file system of the helper's own.
    pub(super) fn new(state_dir: &Path, memory: &Path) -> io::Result<Self> {
        let [anchor, heads, files] = ["anchor", "logs", "files"].map(|name| memory.join(name));
        for dir in [&anchor, &heads, &files] {
            std::fs::create_dir_all(dir)?;
        }
        let options = c"mode=0755,size=0,nr_inodes=0";
        mount("haar", &files, "tmpfs", MountFlags::NOSUID, Some(options))?;
        let own = Self {
            memory: memory.to_owned(),
            files,
            anchor: CString::new(anchor.as_os_str().as_bytes())?,
            disk: state_dir.join("sandboxes"),
            base: state_dir.join("base"),
            logs: state_dir.join("logs"),
            heads_dir: File::open(&heads)?.into(),
            heads,
        };
        for dir in [&own.disk, &own.base, &own.logs] {
            let _ = std::fs::remove_dir_all(dir);
            std::fs::create_dir_all(dir)?;
        }
        rootfs::make_base(&own.base)?;
        Ok(own)
    }
}

impl Workshop {
    pub(super) fn new(
        (cgroups, networks): (Cgroups, Networks),
        (roots, scratch): (Roots, Scratches),
        places: Places,
    ) -> io::Result<Self> {
        Ok(Self {
            groups: super::root::groups(&cgroups.view()),
            rules_devices: cgroups.rule_devices(),
            cgroups,
            kits: Kits::default(),
            networks,
            roots,
            scratch,
            stages: Stages::default(),
            places,
            seccomp: seccomp::compile().map_err(io::Error::other)?,
            masks: super::root::masks(),
            masks_of_images: super::root::masks_of_images(),
            init: sys::dup_high(init::program()?)?,
            null: sys::dup_high(null()?)?,
            home: sys::own_pidfd()?,
            ranges: Ranges::default(),
            open_files_max: sys::open_files_limit().1,
        })
    }
}

/// The null device, checked to be that.
fn null() -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/null")?;
    let found = file.metadata()?;
    if !found.file_type().is_char_device() || found.rdev() != libc::makedev(1, 3) {
        return Err(io::Error::other("/dev/null is not the null device"));
    }
    Ok(file)
}

/// A shell.
pub(super) struct Shell {
    pub(super) init: Child,
    user: User,
    /// Kept so that the last process to leave does not wait for the mounts to be taken down;
    /// whoever drops it does.
    mounts: Mutex<Option<OwnedFd>>,
    _root: Option<Arc<PreparedRoot>>,
    /// How programs inside reach what is outside, where they may.
    way_out: Mutex<Option<WayOut>>,
}

/// A program to be started in a shell.
pub(super) struct Program<'a> {
    pub(super) argv: &'a [String],
    pub(super) env: &'a [(String, String)],
    pub(super) cwd: &'a str,
    pub(super) limits: &'a Limits,
    /// It gets a descriptor 3.
    pub(super) assigned: bool,
}

/// A program that was started.
pub(super) struct Started {
    pub(super) child: Child,
    /// Ends to read from.
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// The other end of its descriptor 3.
    pub(super) assign: Option<UnixStream>,
}

impl Shell {
    /// Makes the namespaces.
    pub(super) fn make(
        shop: &Workshop,
        key: &RootKey,
        cgroup: &Cgroup,
        network_of: Option<&Self>,
    ) -> Result<Self, Failure> {
        let root = shop.roots.get(key)?;
        let entries = cgroup.entries().doing("open the control groups")?;
        let plan = InitPlan {
            root: &root.path,
            own_tmp: key.own_tmp(),
            masks: &shop.masks,
            program: shop.init.as_fd(),
            entries: &entries,
            network_of: network_of.map(|shell| shell.init.pidfd.as_fd()),
        };
        let init = child::start_init(&plan).map_err(internal)?;
        let mounts = File::open(format!("/proc/{}/ns/mnt", init.pid));
        let shell = Self {
            init,
            user: key.user,
            mounts: Mutex::new(Some(mounts.doing("hold the mounts")?.into())),
            _root: Some(root),
            way_out: Mutex::default(),
        };
        if network_of.is_none() {
            // nobody watches it yet
            shell.inside(shop, libc::CLONE_NEWNET, net::begin).inspect_err(|_| shell.end_now())?;
        }
        Ok(shell)
    }

    /// A shell around the first process of a container with a root of its own.
    pub(super) fn around(init: Child, user: User) -> Result<Self, Failure> {
        let mounts = File::open(format!("/proc/{}/ns/mnt", init.pid));
        let mounts = Mutex::new(mounts.ok().map(OwnedFd::from)); // it may have ended already
        Ok(Self { init, user, mounts, _root: None, way_out: Mutex::default() })
    }

    /// Runs `work` with the calling thread in namespaces of the sandbox.
    pub(super) fn inside<T>(
        &self,
        shop: &Workshop,
        namespaces: i32,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        sys::setns(self.init.pidfd.as_fd(), namespaces).doing("enter the sandbox")?;
        let result = work();
        if sys::setns(shop.home.as_fd(), namespaces).is_err() {
            // this thread is no use any more, and must do nothing in the sandbox's name
            std::process::abort();
        }
        result
    }

    /// Opens listeners inside.
    pub(super) fn listen(
        &self,
        shop: &Workshop,
        addresses: &[SocketAddrV4],
    ) -> Result<Vec<(SocketAddrV4, TcpListener)>, Failure> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        self.inside(shop, libc::CLONE_NEWNET, || {
            let open = |address: &SocketAddrV4| {
                if *address != OUTSIDE {
                    return Ok((*address, net::listen(*address)?));
                }
                let (listener, way) = net::way_out(&shop.networks.names)?;
                *self.way_out.lock() = way;
                Ok((*address, listener))
            };
            let all: io::Result<Vec<_>> = addresses.iter().map(open).collect();
            all.doing("listen inside the sandbox")
        })
    }

    /// A TCP socket of the sandbox's network, for the server to connect.
    pub(super) fn socket(&self, shop: &Workshop) -> Result<OwnedFd, Failure> {
        let make = || net::socket().doing("make a socket inside the sandbox");
        self.inside(shop, libc::CLONE_NEWNET, make)
    }

    /// Moves mounts in and names the host.
    pub(super) fn furnish(
        &self,
        shop: &Workshop,
        mounts: &[Detached],
        hostname: &str,
    ) -> Result<(), Failure> {
        self.inside(shop, libc::CLONE_NEWNS | libc::CLONE_NEWUTS, || {
            if !hostname.is_empty() {
                rustix::system::sethostname(hostname.as_bytes()).doing("name the host")?;
            }
            let root = File::open("/").doing("open the root")?;
            mounts.iter().try_for_each(|mount| mount.attach(&root))
        })
    }

    /// Starts a program.
    pub(super) fn start(
        &self,
        shop: &Workshop,
        cgroup: &Cgroup,
        program: &Program<'_>,
    ) -> Result<Started, Failure> {
        let name = program.argv.first().cloned().unwrap_or_default();
        let refused = |reason: String| Failure::Refused { program: name.clone(), reason };
        if !name.starts_with('/') {
            return Err(refused("needs an absolute path".into()));
        }
        let text = |text: String| CString::new(text).map_err(|_| refused("holds a nul".into()));
        let argv: Result<Vec<_>, _> = program.argv.iter().cloned().map(text).collect();
        let mut env = Vec::with_capacity(program.env.len() + 1);
        for (key, value) in program.env {
            env.push(text(format!("{key}={value}"))?);
        }
        let (assign, theirs) = if program.assigned {
            env.push(c"HAAR_ASSIGN_FD=3".to_owned());
            let (ours, theirs) = UnixStream::pair().doing("make a socket")?;
            (Some(ours), Some(sys::dup_high(theirs).doing("make a socket")?))
        } else {
            (None, None)
        };
        let (stdout, out) = output()?;
        let (stderr, err) = output()?;
        let entries = cgroup.entries().doing("open the control groups")?;
        let files = program.limits.files.unwrap_or(OPEN_FILES_DEFAULT).min(shop.open_files_max);
        let kept = if self.user.uid == 0 { capability::FUNCTION } else { 0 };
        let argv = argv?;
        let program_spec = ProgramSpec {
            stdio: [shop.null.as_fd(), out.as_fd(), err.as_fd()],
            assign: theirs.as_ref().map(AsFd::as_fd),
            terminal: false,
            paths: argv.first().cloned().into_iter().collect(),
            argv,
            env,
            cwd: text(program.cwd.to_owned())?,
            user: self.user,
            groups: Vec::new(),
            rlimits: vec![(libc::RLIMIT_NOFILE, files, files), (libc::RLIMIT_CORE, 0, 0)],
            bounding: kept,
            permitted: kept,
            no_new_privileges: true,
            seccomp: &shop.seccomp.function,
        };
        let plan = ProgramPlan {
            init: self.init.pidfd.as_fd(),
            users: None,
            entries: &entries,
            program: program_spec,
        };
        let child = self
            .inside(shop, libc::CLONE_NEWPID, || Ok(child::start_program(&plan)))?
            .map_err(|error| judge(&name, program.cwd, error))?;
        Ok(Started { child, stdout, stderr, assign })
    }

    /// The last hold on its mounts, once.
    pub(super) fn take_mounts(&self) -> Option<OwnedFd> {
        self.mounts.lock().take()
    }

    /// Kills all of its processes.
    pub(super) fn kill(&self) {
        let _ = sys::send_signal(self.init.pidfd.as_fd(), libc::SIGKILL);
    }

    /// Kills one that nobody watches, and waits for its end.
    fn end_now(&self) {
        self.kill();
        let _ = sys::reap_now(self.init.pidfd.as_fd());
    }
}

/// A pipe for output: our end, and the sandbox's well out of the way of 0 to 3.
pub(super) fn output() -> Result<(OwnedFd, OwnedFd), Failure> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")?;
    Ok((ours, sys::dup_high(theirs).doing("make a pipe")?))
}

fn internal(error: ChildError) -> Failure {
    Failure::of(&format!("make a sandbox: {}", error.stage), &error.error)
}

/// A program that cannot be run is its maker's fault; all else is ours.
pub(super) fn judge(program: &str, cwd: &str, error: ChildError) -> Failure {
    let reason = error.error.to_string();
    match (error.stage, error.error.raw_os_error()) {
        ("exec", Some(libc::EAGAIN | libc::ENOMEM)) => internal(error),
        ("exec", Some(libc::ENOENT)) if !program.contains('/') => Failure::Refused {
            program: program.to_owned(),
            reason: "executable file not found in $PATH".to_owned(),
        },
        ("exec", _) => Failure::Refused { program: program.to_owned(), reason },
        ("mount inside the sandbox", Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {
            let reason = format!("a mount finds no place inside: {reason}");
            Failure::Refused { program: program.to_owned(), reason }
        }
        ("set a kernel parameter", _) => {
            let reason = format!("a kernel parameter: {reason}");
            Failure::Refused { program: program.to_owned(), reason }
        }
        ("enter the working directory", _) => Failure::Refused { program: cwd.to_owned(), reason },
        _ => internal(error),
    }
}
