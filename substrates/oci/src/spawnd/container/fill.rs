//! What a new volume takes over from the image that it is mounted over: all below a path that the
//! image wants to be a volume, as it is there.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use haar_substrate::ContainerSpec;
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, RawMode, ResolveFlags, Stat, Timespec, Timestamps,
    Uid, chownat, fchmod, fchown, fstat, futimens, mkdirat, mknodat, openat, openat2, readlinkat,
    statat, symlinkat,
};

use super::super::owners::Owners;
use super::super::root;
use super::super::volumes::Placed;
use crate::proto::FromImage;

/// Most bytes of a volume that an image wants, where its container's root has no bound.
pub(super) const BYTES_MAX: u64 = 20 << 30;

/// Directories in each other.
const DEPTH_MAX: u32 = 100;

/// Whether the image wants a volume there.
pub(super) fn is_wanted(image: &FromImage, target: &str) -> bool {
    image.volumes.iter().any(|path| path == target.trim_end_matches('/'))
}

/// Volumes for the paths where the image wants one and nothing is mounted, where they could not be
/// written else.
pub(super) fn own_volumes<'a>(spec: &'a ContainerSpec, image: &'a FromImage) -> Vec<Placed<'a>> {
    if !spec.read_only_root {
        return Vec::new();
    }
    let has = |mount, path: &str| root::target(mount).trim_end_matches('/') == path;
    let is_free = |path: &&String| !spec.mounts.iter().any(|mount| has(mount, path));
    let size_bytes = spec.root_size_bytes.unwrap_or(BYTES_MAX);
    let free = image.volumes.iter().filter(is_free);
    free.map(|path| Placed::own_of_image(&spec.name, path, size_bytes)).collect()
}

/// Fills a volume that is empty with what is at a path of the root. `owners` own the root's files,
/// and not yet the volume's.
pub(super) fn fill(
    root: &OwnedFd,
    path: &str,
    volume: &OwnedFd,
    owners: Option<&Owners>,
) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let volume = openat(volume, c".", flags, Mode::empty())?;
    if !is_empty(&volume)? {
        return Ok(());
    }
    match openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(from) => copy_directory(&from, &volume, owners, 0),
        // it was made for the mount alone, or is something else
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_empty(directory: &OwnedFd) -> io::Result<bool> {
    for entry in Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn copy_directory(
    from: &OwnedFd,
    to: &OwnedFd,
    owners: Option<&Owners>,
    depth: u32,
) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("too many directories in each other"));
    }
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let found = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let none = Mode::empty();
        match FileType::from_raw_mode(found.st_mode as RawMode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                mkdirat(to, name, Mode::RWXU)?;
                let inner = (openat(from, name, flags, none)?, openat(to, name, flags, none)?);
                copy_directory(&inner.0, &inner.1, owners, depth + 1)?;
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut source = File::from(openat(from, name, flags, none)?);
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut copy = File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?);
                io::copy(&mut source, &mut copy)?;
                dress(copy.as_fd(), &found, owners)?;
            }
            FileType::Symlink => {
                let link = readlinkat(from, name, Vec::new())?;
                symlinkat(&link, to, name)?;
                let (uid, gid) = ids(&found, owners);
                chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            FileType::Fifo => {
                mknodat(to, name, FileType::Fifo, Mode::from_raw_mode(found.st_mode), 0)?;
                let (uid, gid) = ids(&found, owners);
                chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            _ => {} // devices and sockets are nobody's data
        }
    }
    dress(to.as_fd(), &fstat(from)?, owners)
}

/// Gives a copy its owner, its mode and its time.
fn dress(copy: BorrowedFd<'_>, like: &Stat, owners: Option<&Owners>) -> io::Result<()> {
    let (uid, gid) = ids(like, owners);
    fchown(copy, Some(uid), Some(gid))?;
    fchmod(copy, Mode::from_raw_mode(like.st_mode))?; // after the owner: a change of that clears bits
    let time = Timespec { tv_sec: like.st_mtime, tv_nsec: like.st_mtime_nsec as _ };
    Ok(futimens(copy, &Timestamps { last_access: time, last_modification: time })?)
}

fn ids(found: &Stat, owners: Option<&Owners>) -> (Uid, Gid) {
    let inside = |id: u32| owners.map_or(id, |owners| owners.inside(id));
    (Uid::from_raw(inside(found.st_uid)), Gid::from_raw(inside(found.st_gid)))
}
