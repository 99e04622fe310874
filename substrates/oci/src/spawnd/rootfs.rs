//! A container's root: its image's layers, a layer of its own over them, and the places that
//! mounts go to. All of it is made below open descriptors: an image's links lead nowhere else.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use haar_substrate::Device;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RawMode, ResolveFlags, Uid, chmodat, chownat,
    mkdirat, mknodat, openat, openat2, readlinkat, statat, symlinkat,
};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};

use super::overlay::Overlay;
use crate::cgroup::Node;
use crate::sys;

/// Directories that every container's root has.
const OWN_DIRS: [&str; 3] = ["proc", "sys", "dev"];
/// Files of `/etc` that are the sandbox's.
pub(super) const OWN_FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Directories of a writable layer: what it holds, and what the kernel works in.
pub(super) const LAYER_DIRS: [&str; 2] = ["upper", "work"];

/// Makes the layer that lies below all images: it has the places of what every container gets, so
/// that most writable layers need hold nothing.
pub(super) fn make_base(dir: &Path) -> io::Result<()> {
    for name in OWN_DIRS.into_iter().chain(["etc"]) {
        fs::create_dir_all(dir.join(name))?;
    }
    for name in OWN_FILES {
        fs::write(dir.join("etc").join(name), "")?;
    }
    Ok(())
}

/// Lays a writable layer in `dir` over others, the lowest first; answers it mounted nowhere yet.
/// `way` is a directory that it may pass through.
pub(super) fn overlay(layers: &[&Path], dir: &Path, way: &Path) -> io::Result<OwnedFd> {
    let [upper, work] = LAYER_DIRS.map(|name| dir.join(name));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    Overlay { lower: layers, upper: Some([&upper, &work]), way }.lay()
}

/// Makes what a container's own file systems go onto. An image where one of these is not a plain
/// directory is refused.
pub(super) fn make_own_points(tree: &OwnedFd) -> io::Result<()> {
    for name in OWN_DIRS {
        match statat(tree, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found)
                if FileType::from_raw_mode(found.st_mode as RawMode) == FileType::Directory => {}
            Ok(_) => return Err(io::Error::other(format!("/{name} is not a directory"))),
            Err(rustix::io::Errno::NOENT) => mkdirat(tree, name, Mode::from_raw_mode(0o755))?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Links that lead nowhere yet and are followed on the way to one place.
const LINKS_MAX: usize = 40;

/// Makes a directory or file at an absolute path below `root`, with those above it, where it is
/// not there. Where a link leads to what is not there, that is made, inside. What is made is
/// `owner`'s, or else the helper's.
pub(super) fn make_point(
    root: impl AsFd,
    target: &str,
    file: bool,
    owner: Option<u32>,
) -> io::Result<()> {
    let plain = Path::new(target).strip_prefix("/").map_err(|_| invalid("must be absolute"))?;
    if !plain.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(invalid("must be a plain path"));
    }
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let find =
        |path: &Path| openat2(&root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), inside);
    let (mut so_far, mut links) = (PathBuf::from("."), 0);
    let mut above = find(&so_far)?;
    let mut to_come: VecDeque<OsString> = plain.iter().map(OsStr::to_owned).collect();
    while let Some(part) = to_come.pop_front() {
        let next = so_far.join(&part);
        match find(&next) {
            Ok(found) => (so_far, above) = (next, found),
            Err(rustix::io::Errno::NOENT) => match readlinkat(&above, &part, Vec::new()) {
                Ok(link) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(rustix::io::Errno::LOOP.into());
                    }
                    let link = PathBuf::from(OsString::from_vec(link.into_bytes()));
                    if link.is_absolute() {
                        so_far = PathBuf::from(".");
                        above = find(&so_far)?;
                    }
                    let parts = link.components().filter(|part| *part != Component::RootDir);
                    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_owned()).collect();
                    parts.into_iter().rev().for_each(|part| to_come.push_front(part));
                }
                Err(rustix::io::Errno::NOENT) => {
                    make(&above, &part, file && to_come.is_empty(), owner)?;
                    (so_far, above) = (next.clone(), find(&next)?);
                }
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
    let found = rustix::fs::fstat(&above)?;
    match FileType::from_raw_mode(found.st_mode as RawMode) {
        FileType::Directory if file => Err(rustix::io::Errno::ISDIR.into()),
        _ => Ok(()),
    }
}

/// Makes one directory or file.
fn make(above: &OwnedFd, name: &OsStr, file: bool, owner: Option<u32>) -> io::Result<()> {
    if file {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(above, name, flags, Mode::from_raw_mode(0o644))?;
    } else {
        mkdirat(above, name, Mode::from_raw_mode(0o755))?;
    }
    if let Some(owner) = owner {
        let ids = (Uid::from_raw(owner), Gid::from_raw(owner));
        chownat(above, name, Some(ids.0), Some(ids.1), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// From now on it can only be read.
pub(super) fn seal(tree: &OwnedFd) -> io::Result<()> {
    sys::mount_setattr(tree.as_fd(), libc::MOUNT_ATTR_RDONLY, 0)
}

/// A container's `/dev`.
pub(super) fn devices() -> io::Result<OwnedFd> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "size", "65536k")?;
    fsconfig_set_string(&fs, "mode", "755")?;
    fsconfig_create(&fs)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let dev = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    let devices =
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9)];
    for (name, major, minor) in devices.into_iter().chain([("tty", 5, 0)]) {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(&dev, name, FileType::CharacterDevice, mode, rustix::fs::makedev(major, minor))?;
        chmodat(&dev, name, mode, AtFlags::empty())?;
    }
    for name in ["pts", "shm", "mqueue"] {
        mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
    }
    for (name, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
        ("core", "/proc/kcore"),
    ] {
        symlinkat(to, &dev, name)?;
    }
    Ok(dev)
}

/// A device of the host, to be mounted where a container finds it; and which it is.
pub(super) fn device(of: &Device) -> io::Result<(OwnedFd, Node)> {
    let node = openat(CWD, &of.host, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let found = rustix::fs::fstat(&node)?;
    let is_block = match FileType::from_raw_mode(found.st_mode as RawMode) {
        FileType::BlockDevice => true,
        FileType::CharacterDevice => false,
        _ => return Err(invalid("is not a device")),
    };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(&node, c"", flags)?;
    let set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
    sys::mount_setattr(tree.as_fd(), set, libc::MS_PRIVATE)?;
    let (major, minor) = (rustix::fs::major(found.st_rdev), rustix::fs::minor(found.st_rdev));
    let Device { read, write, make, .. } = *of;
    Ok((tree, Node { is_block, major, minor, read, write, make }))
}

/// A path for the kernel.
pub(super) fn text(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(io::Error::other)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
