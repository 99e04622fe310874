//! Root file systems: made once per kind in the helper's own mount namespace, read-only, and
//! then entered by any number of sandboxes at no cost: a new mount namespace is a copy that has
//! them already.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use haar_substrate::{ContainerSpec, Mount, Root, RunAs, User, WarmTemplate};
use parking_lot::Mutex;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_bind, mount_change, move_mount, open_tree, unmount,
};

use super::child::Mask;
use crate::proto::{Doing, Failure};
use crate::sys;

/// Roots that are kept although nothing uses them.
const KEPT_MAX: usize = 64;

/// Files of `/etc` that programs of the host need.
const ETC_FILES: [&str; 12] = [
    "ld.so.cache",
    "ld.so.conf",
    "nsswitch.conf",
    "host.conf",
    "localtime",
    "timezone",
    "mime.types",
    "protocols",
    "services",
    "os-release",
    "ssl/openssl.cnf",
    "pki/tls/openssl.cnf",
];
/// Directories of `/etc`, by the beginning of their path.
const ETC_DIRS: [&str; 8] = [
    "ld.so.conf.d",
    "alternatives",
    "ssl/certs",
    "pki/tls/certs",
    "pki/ca-trust",
    "pki/java",
    "crypto-policies",
    "fonts",
];

/// What makes two sandboxes share a root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RootKey {
    pub(super) root: Root,
    pub(super) user: User,
    /// Where mounts go; true for a file.
    points: Vec<(String, bool)>,
}

impl RootKey {
    /// The root of a container.
    pub(super) fn of_container(spec: &ContainerSpec) -> Self {
        Self::new(&spec.root, user_of(spec), &spec.mounts, &[])
    }

    /// The root of a template.
    pub(super) fn of_template(template: &WarmTemplate) -> Self {
        Self::new(&template.root, template.user, &template.mounts, &template.mount_points)
    }

    fn new(root: &Root, user: User, mounts: &[Mount], points: &[String]) -> Self {
        let mut points: Vec<_> = points.iter().map(|point| (point.clone(), false)).collect();
        points.extend(mounts.iter().map(|mount| (target(mount).to_owned(), is_file(mount))));
        points.sort();
        points.dedup();
        Self { root: root.clone(), user, points }
    }

    /// `/tmp` is not among the mounts.
    pub(super) fn own_tmp(&self) -> bool {
        !self.points.iter().any(|(point, _)| point == "/tmp" || point.starts_with("/tmp/"))
    }
}

/// Who a container of the host's programs is.
pub(super) fn user_of(spec: &ContainerSpec) -> User {
    match spec.user {
        RunAs::Ids(user) => user,
        RunAs::Image | RunAs::Named(_) => User { uid: 0, gid: 0 },
    }
}

/// Where a mount goes.
pub(super) fn target(mount: &Mount) -> &str {
    match mount {
        Mount::Bind { target, .. }
        | Mount::Union { target, .. }
        | Mount::Tmpfs { target, .. }
        | Mount::Scratch { target, .. }
        | Mount::Volume { target, .. } => target,
    }
}

fn is_file(mount: &Mount) -> bool {
    matches!(mount, Mount::Bind { source, .. } if source.is_file())
}

/// A root that is ready.
#[derive(Debug)]
pub(super) struct PreparedRoot {
    /// A mount point in the helper's mount namespace.
    pub(super) path: CString,
}

/// All roots.
pub(super) struct Roots {
    base: PathBuf,
    made: Mutex<(u64, BTreeMap<RootKey, Arc<PreparedRoot>>)>,
}

impl Roots {
    /// Covers `base` with memory of the helper's own mount namespace.
    pub(super) fn new(base: &Path) -> io::Result<Self> {
        mount("haar", base, "tmpfs", MountFlags::NOSUID, Some(c"mode=0755"))?;
        mount_change(base, MountPropagationFlags::PRIVATE)?;
        Ok(Self { base: base.to_owned(), made: Mutex::default() })
    }

    /// The root of this kind, made if it is not there.
    pub(super) fn get(&self, key: &RootKey) -> Result<Arc<PreparedRoot>, Failure> {
        let mut made = self.made.lock();
        if let Some(root) = made.1.get(key) {
            return Ok(root.clone());
        }
        if made.1.len() >= KEPT_MAX {
            made.1.retain(|_, root| Arc::strong_count(root) > 1 || discard(root));
        }
        made.0 += 1;
        let root = Arc::new(self.make(key, made.0)?);
        made.1.insert(key.clone(), root.clone());
        Ok(root)
    }

    fn make(&self, key: &RootKey, number: u64) -> Result<PreparedRoot, Failure> {
        let Root::Host { also } = &key.root else {
            return Err(Failure::Unsupported("images are not supported yet".into()));
        };
        let at = self.base.join(format!("root-{number}"));
        fs::create_dir(&at).doing("make a root")?;
        mount_bind(&at, &at).doing("make a root")?;
        mount_change(&at, MountPropagationFlags::PRIVATE).doing("make a root")?;
        let made = skeleton(&at, key.user)
            .and_then(|()| show_host(&at, also))
            .doing("make a root from the host's programs")
            .and_then(|()| key.points.iter().try_for_each(|point| make_point(&at, point)))
            .and_then(|()| seal(&at).doing("make a root read-only"));
        let path = CString::new(at.as_os_str().as_bytes()).map_err(io::Error::other);
        let root = PreparedRoot { path: path.doing("name a root")? };
        if let Err(failure) = made {
            discard(&root);
            return Err(failure);
        }
        Ok(root)
    }
}

/// Unmounts a root that nothing uses any more. Always false, for `retain`.
fn discard(root: &PreparedRoot) -> bool {
    let _ = unmount(root.path.as_c_str(), UnmountFlags::DETACH);
    let path = Path::new(std::ffi::OsStr::from_bytes(root.path.as_bytes()));
    let _ = fs::remove_dir_all(path); // what was shown of the host is detached by now
    false
}

/// Directories, devices and the files of `/etc` that are ours.
fn skeleton(at: &Path, user: User) -> io::Result<()> {
    for dir in ["dev/pts", "dev/shm", "etc", "home", "mnt", "opt", "proc", "root", "run", "srv"] {
        fs::create_dir_all(at.join(dir))?;
    }
    for dir in ["sys", "usr", "var/lib", "var/tmp"] {
        fs::create_dir_all(at.join(dir))?;
    }
    fs::create_dir_all(at.join("tmp"))?;
    fs::set_permissions(at.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    for (name, minor) in [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)] {
        device(&at.join("dev").join(name), 1, minor)?;
    }
    device(&at.join("dev/tty"), 5, 0)?;
    for (link, to) in [
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
        ("dev/ptmx", "pts/ptmx"),
        ("var/run", "/run"),
        ("etc/mtab", "/proc/self/mounts"),
    ] {
        symlink(to, at.join(link))?;
    }
    let User { uid, gid } = user;
    let mut passwd = "root:x:0:0:root:/root:/bin/sh\n".to_owned();
    let mut group = "root:x:0:\n".to_owned();
    if uid != 0 {
        passwd.push_str(&format!("sandbox:x:{uid}:{gid}::/tmp:/sbin/nologin\n"));
    }
    if gid != 0 {
        group.push_str(&format!("sandbox:x:{gid}:\n"));
    }
    passwd.push_str("nobody:x:65534:65534:nobody:/:/sbin/nologin\n");
    group.push_str("nogroup:x:65534:\n");
    fs::write(at.join("etc/passwd"), passwd)?;
    fs::write(at.join("etc/group"), group)?;
    fs::write(at.join("etc/hosts"), "127.0.0.1 localhost sandbox.localdomain sandbox\n")?;
    fs::write(at.join("etc/resolv.conf"), "")
}

fn device(path: &Path, major: u32, minor: u32) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    sys::mknod(&path, libc::S_IFCHR | 0o666, major, minor)
}

/// Shows the host's programs, and what they need of `/etc`, read-only.
fn show_host(at: &Path, also: &[PathBuf]) -> io::Result<()> {
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let host = Path::new("/").join(name);
        match fs::symlink_metadata(&host) {
            Ok(found) if found.is_symlink() => symlink(fs::read_link(&host)?, at.join(name))?,
            Ok(found) if found.is_dir() => show(at, &host)?,
            _ => {}
        }
    }
    show(at, Path::new("/usr"))?;
    for name in ETC_FILES {
        let host = Path::new("/etc").join(name);
        if let Ok(content) = fs::read(&host) {
            let own = at.join("etc").join(name);
            fs::create_dir_all(own.parent().unwrap_or(at))?;
            fs::write(own, content)?;
        }
    }
    let java = fs::read_dir("/etc")?.flatten().map(|entry| entry.path());
    let java = java.filter(|path| path.to_string_lossy().starts_with("/etc/java-"));
    let dirs = ETC_DIRS.iter().map(|name| Path::new("/etc").join(name));
    for dir in dirs.chain(java).filter(|dir| dir.is_dir()) {
        show(at, &dir)?;
    }
    for dir in also {
        let real = fs::canonicalize(dir)?;
        if !real.starts_with("/usr") {
            show(at, &real)?;
        }
        if real != *dir && !at.join(dir.strip_prefix("/").unwrap_or(dir)).exists() {
            let link = at.join(dir.strip_prefix("/").unwrap_or(dir));
            fs::create_dir_all(link.parent().unwrap_or(at))?;
            symlink(&real, link)?;
        }
    }
    Ok(())
}

fn show(at: &Path, host: &Path) -> io::Result<()> {
    let own = at.join(host.strip_prefix("/").unwrap_or(host));
    fs::create_dir_all(&own)?;
    let tree = detach_tree(host)?;
    let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    sys::mount_setattr(tree.as_fd(), set, libc::MS_PRIVATE)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(&tree, c"", rustix::fs::CWD, &own, flags)?)
}

/// A copy of the mounts at a path, not yet mounted anywhere.
pub(super) fn detach_tree(host: &Path) -> io::Result<std::os::fd::OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(rustix::fs::CWD, host, flags | OpenTreeFlags::AT_RECURSIVE)?)
}

/// Makes the directory or file that a mount goes onto, unless the host's programs have it.
fn make_point(at: &Path, (point, file): &(String, bool)) -> Result<(), Failure> {
    let refused = |reason: &str| Failure::Refused { program: point.clone(), reason: reason.into() };
    let inside = Path::new(point).strip_prefix("/").map_err(|_| refused("must be absolute"))?;
    if !inside.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(refused("must be a plain path"));
    }
    let mut own = at.to_owned();
    for part in inside {
        own.push(part);
        match fs::symlink_metadata(&own) {
            // it leads elsewhere: found again, and kept inside, when the mount is made
            Ok(found) if found.is_symlink() => return Ok(()),
            Ok(_) => continue,
            Err(_) if *file && own == at.join(inside) => fs::write(&own, "").map(drop),
            Err(_) => fs::create_dir(&own),
        }
        .map_err(|error| refused(&error.to_string()))?;
    }
    Ok(())
}

fn seal(at: &Path) -> io::Result<()> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
    Ok(rustix::mount::mount_remount(at, flags, c"")?)
}

/// Where containers see their control groups, and which.
pub(super) fn groups(names: &[String]) -> Vec<(CString, CString)> {
    let text = |text: String| CString::new(text).unwrap_or_default();
    let one = |name: &String| (text(format!("/sys/fs/cgroup/{name}")), text(name.clone()));
    names.iter().map(one).collect()
}

/// What is hidden and what is read-only below `/proc`, as runc has it; only what is there.
pub(super) fn masks() -> Vec<(CString, Mask)> {
    let hidden = [
        "acpi",
        "asound",
        "interrupts",
        "kcore",
        "keys",
        "latency_stats",
        "sched_debug",
        "scsi",
        "timer_list",
        "timer_stats",
    ];
    let read_only = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
    let hidden = hidden.iter().filter_map(|name| hide(Path::new("/proc").join(name)));
    let read_only = read_only.iter().map(|name| Path::new("/proc").join(name));
    let read_only = read_only.filter(|path| path.exists()).map(|path| (path, Mask::ReadOnly));
    hidden.chain(read_only).filter_map(of_kernel).collect()
}

/// The same, with what Docker hides below `/sys`.
pub(super) fn masks_of_images() -> Vec<(CString, Mask)> {
    let hidden = ["/sys/firmware", "/sys/devices/virtual/powercap"];
    let hidden = hidden.into_iter().filter_map(|path| hide(PathBuf::from(path)));
    masks().into_iter().chain(hidden.filter_map(of_kernel)).collect()
}

fn hide(path: PathBuf) -> Option<(PathBuf, Mask)> {
    let found = fs::metadata(&path).ok()?;
    Some((path, if found.is_dir() { Mask::Directory } else { Mask::File }))
}

fn of_kernel((path, mask): (PathBuf, Mask)) -> Option<(CString, Mask)> {
    Some((CString::new(path.as_os_str().as_bytes()).ok()?, mask))
}
