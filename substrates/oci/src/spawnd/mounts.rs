//! Mounts that are made detached, outside of any sandbox, and moved into one when they are
//! ready; so a waiting sandbox gets its code the same way as a new one.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use haar_substrate::{Mount, User};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

use super::overlay::Overlay;
use super::root::{detach_tree, target};
use super::scratch::Scratch;
use super::shell::Workshop;
use crate::proto::{Doing, Failure};
use crate::sys;

/// A mount that has no place yet.
pub(super) struct Detached {
    pub(super) tree: OwnedFd,
    pub(super) target: CString,
}

/// Scratch file systems of one sandbox, by their mount: its containers share them.
pub(super) type Shared = BTreeMap<Mount, Scratch>;

/// Makes a mount.
pub(super) fn detach(
    shop: &Workshop,
    shared: &mut Shared,
    mount: &Mount,
    user: User,
) -> Result<Detached, Failure> {
    let refused = |path: &Path, error: io::Error| Failure::Refused {
        program: path.display().to_string(),
        reason: error.to_string(),
    };
    let tree = match mount {
        Mount::Bind { source, read_only, .. } => {
            bind(source, *read_only).map_err(|error| refused(source, error))?
        }
        Mount::Union { sources, .. } => match sources.as_slice() {
            [] => return Err(refused(Path::new(""), io::ErrorKind::NotFound.into())),
            [only] => bind(only, true).map_err(|error| refused(only, error))?,
            [first, ..] => overlay(shop, sources).map_err(|error| refused(first, error))?,
        },
        Mount::Volume { name, .. } => {
            return Err(refused(Path::new(name), io::ErrorKind::Unsupported.into()));
        }
        Mount::Scratch { size_bytes, .. } if shop.scratch.are_usable() => {
            scratch(shop, shared, mount, *size_bytes, user).doing("make a scratch file system")?
        }
        Mount::Tmpfs { size_bytes, .. } | Mount::Scratch { size_bytes, .. } => {
            tmpfs(*size_bytes, user).doing("make a memory file system")?
        }
    };
    let target = CString::new(target(mount)).map_err(io::Error::other).doing("name a mount")?;
    Ok(Detached { tree, target })
}

fn scratch(
    shop: &Workshop,
    shared: &mut Shared,
    mount: &Mount,
    size_bytes: u64,
    user: User,
) -> io::Result<OwnedFd> {
    if let Some(first) = shared.get(mount) {
        return first.share();
    }
    let scratch = shop.scratch.take(size_bytes, user)?;
    let tree = scratch.tree.try_clone()?;
    shared.insert(mount.clone(), scratch);
    Ok(tree)
}

fn bind(source: &Path, read_only: bool) -> io::Result<OwnedFd> {
    let tree = detach_tree(source)?;
    let mut set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    if read_only {
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    sys::mount_setattr(tree.as_fd(), set, libc::MS_PRIVATE)?;
    Ok(tree)
}

fn overlay(shop: &Workshop, sources: &[PathBuf]) -> io::Result<OwnedFd> {
    let lower: Vec<_> = sources.iter().map(PathBuf::as_path).collect();
    Overlay { lower: &lower, upper: None, way: &shop.places.memory }.lay()
}

fn tmpfs(size_bytes: u64, user: User) -> io::Result<OwnedFd> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "size", size_bytes.to_string())?;
    fsconfig_set_string(&fs, "mode", "1777")?;
    fsconfig_set_string(&fs, "uid", user.uid.to_string())?;
    fsconfig_set_string(&fs, "gid", user.gid.to_string())?;
    fsconfig_create(&fs)?;
    finish(&fs, MountAttrFlags::empty())
}

/// Turns a configured file system into a detached mount.
pub(super) fn finish(fs: &OwnedFd, flags: MountAttrFlags) -> io::Result<OwnedFd> {
    let flags = flags | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, flags)?)
}

impl Detached {
    /// Moves the mount to its place. The calling thread is in the sandbox's mount namespace;
    /// whatever links there are in it, the place is inside.
    pub(super) fn attach(&self, root: impl AsFd) -> Result<(), Failure> {
        let place = openat2(
            root,
            self.target.as_c_str(),
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        );
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        place.and_then(|place| move_mount(&self.tree, c"", place, c"", flags)).map_err(|error| {
            Failure::Refused {
                program: self.target.to_string_lossy().into_owned(),
                reason: format!("mount: {error}"),
            }
        })
    }
}
