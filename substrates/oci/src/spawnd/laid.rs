//! Roots that served a container which left them as they were. To lay an image's layers over each
//! other costs the kernel much, and to take that down as much again: the next container of the
//! same image gets what nobody has changed.
//!
//! **Invariant:** nothing that ran may still have a hold on such a root. It is handed over when its
//! whole sandbox has ended, and only from sandboxes whose programs could not hand a descriptor to
//! anybody outside: see [`Laid::is_private`].

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haar_clock::Moment;
use haar_substrate::ContainerSpec;
use parking_lot::Mutex;
use rustix::fs::{AtFlags, statat};
use rustix::mount::{OpenTreeFlags, open_tree};

use super::bridge::SandboxNetwork;
use super::rootfs::LAYER_DIRS;
use super::scratch::Again;

/// Roots that wait, as many as a busy host has in use at once; and how long one that nobody wants
/// keeps its image's files on the disk.
const WAITING_MAX: usize = 40;
const WAITING_FOR: Duration = Duration::from_secs(30);

/// Layers that lie over each other.
pub(super) struct Laid {
    layers: Vec<Lower>,
    /// A mount of them that nobody has been in.
    tree: OwnedFd,
    /// The writable layer's directory before anybody was.
    before: Footprint,
}

/// A layer's directory: that of this name which was there then. One that was removed meanwhile and
/// came again is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lower {
    path: PathBuf,
    device: u64,
    inode: u64,
    changed_at: (i64, i64),
}

impl Lower {
    /// All of an image's, as they are now.
    pub(super) fn all(layers: &[PathBuf]) -> io::Result<Vec<Self>> {
        layers.iter().map(|layer| Self::of(layer)).collect()
    }

    fn of(layer: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(layer)?;
        Ok(Self {
            path: layer.to_owned(),
            device: found.dev(),
            inode: found.ino(),
            changed_at: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// What tells of any change in a directory or below it: to change anything below, overlay must
/// first make something of it in there. No two changes have the same time once somebody has looked
/// in between: so it is from Linux 6.13 on, and older ones make no second mount of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Footprint {
    mode: u32,
    owner: (u32, u32),
    links: u64,
    changed_at: (i64, i64),
}

impl Footprint {
    fn of(scratch: impl AsFd) -> Option<Self> {
        let found = statat(scratch, LAYER_DIRS[0], AtFlags::SYMLINK_NOFOLLOW).ok()?;
        #[allow(clippy::unnecessary_cast)] // 32 bits wide on Arm
        let links = found.st_nlink as u64;
        Some(Self {
            mode: found.st_mode,
            owner: (found.st_uid, found.st_gid),
            links,
            changed_at: (found.st_ctime, found.st_ctime_nsec as i64),
        })
    }
}

impl Laid {
    /// Remembers a root that was just laid over a scratch file system; none where this kernel
    /// (before 6.15) makes no second mount of it.
    pub(super) fn of(layers: Vec<Lower>, root: &OwnedFd, scratch: impl AsFd) -> Option<Self> {
        let before = Footprint::of(scratch)?;
        Some(Self { layers, tree: share(root)?, before })
    }

    /// A container's programs cannot hand what they have opened to anybody outside of its sandbox:
    /// descriptors travel over sockets, which are found by a network or by a directory that both
    /// have.
    pub(super) fn is_private(network: &SandboxNetwork, spec: &ContainerSpec) -> bool {
        network.namespace.is_some() && spec.mounts.is_empty() && spec.devices.is_empty()
    }

    fn is_unchanged(&self, scratch: impl AsFd) -> bool {
        Footprint::of(scratch) == Some(self.before)
    }
}

/// Another mount of the same.
fn share(root: &OwnedFd) -> Option<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(root, c"", flags).ok()
}

/// Roots that wait for the next container of their image.
#[derive(Default)]
pub(super) struct Stages(Mutex<Vec<(Again, Moment)>>);

impl Stages {
    /// A root of these layers whose writable one is bounded so.
    pub(super) fn take(&self, layers: &[Lower], size_bytes: u64) -> Option<(OwnedFd, Again)> {
        let mut waiting = self.0.lock();
        let fits = |again: &Again| {
            let laid = again.laid.as_ref();
            again.holds(size_bytes) && laid.is_some_and(|laid| laid.layers == layers)
        };
        let at = waiting.iter().rposition(|(again, _)| fits(again))?;
        let (again, _) = waiting.swap_remove(at);
        drop(waiting);
        let tree = share(&again.laid.as_ref()?.tree)?;
        Some((tree, again))
    }

    /// Keeps a root, if it is as it was; answers one that is not kept.
    pub(super) fn put(&self, again: Again, now: Moment) -> Option<Again> {
        let unchanged = again.laid.as_ref().is_some_and(|laid| laid.is_unchanged(again.tree()));
        let mut waiting = self.0.lock();
        if !unchanged || waiting.len() >= WAITING_MAX {
            return Some(again);
        }
        waiting.push((again, now));
        None
    }

    /// None waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Those that have waited for too long.
    pub(super) fn expire(&self, now: Moment) -> Vec<Again> {
        let mut waiting = self.0.lock();
        let old = waiting.extract_if(.., |(_, since)| now.since(*since) > WAITING_FOR);
        old.map(|(again, _)| again).collect()
    }

    /// All.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
