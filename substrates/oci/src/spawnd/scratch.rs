//! Scratch space on disk, bounded and not counted as memory: an ext4 file system in a sparse
//! file whose name is gone before it is used, so that its mount is all there is to take down.
//!
//! A file system of each size is made once and then copied; its holes are not.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use haar_substrate::User;
use parking_lot::Mutex;
use rustix::fs::{AtFlags, Gid, Mode, SeekFrom, Uid};
use rustix::mount::{
    FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsopen,
};

use super::laid::Laid;
use super::log;
use super::mounts::finish;
use super::rootfs::LAYER_DIRS;
use crate::{probe, sys};

const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4c82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4c0a;
const LOOP_MAJOR: u32 = 7;
/// The device is free again when its last user is gone.
const LO_FLAGS_AUTOCLEAR: u32 = 4;
/// Length of the kernel's `struct loop_config`, and where its flags are.
const LOOP_CONFIG_BYTES: usize = 304;
const LOOP_FLAGS_AT: usize = 60;
/// Others may take a device between asking for a free one and taking it.
const TRIES_MAX: u32 = 100;
/// Prepared ones of each kind, and kinds remembered.
const READY_MAX: usize = 2;
/// Those of each kind that wait to be used again: as many as a busy host has in use at once.
const READY_AGAIN_MAX: usize = 40;
const KINDS_MAX: usize = 4;
/// Blocks and inodes that a layer may have in use to be worth emptying, and how often it is: what
/// was once written stays allocated on the host's disk.
const AGAIN_BLOCKS_MAX: u64 = 256;
const AGAIN_INODES_MAX: u64 = 512;
const AGAIN_MAX: u32 = 64;
/// Most that the kernel keeps of a file system for its own records.
const KEPT_BYTES_MAX: u64 = 16 << 20;
/// What `mke2fs` calls small.
const SMALL_BYTES: u64 = 512 << 20;
/// ext4 needs this much for itself.
const SIZE_BYTES_MIN: u64 = 1 << 20;

/// Makes scratch file systems.
pub(super) struct Scratches {
    dir: PathBuf,
    /// Where device nodes may be made.
    nodes: PathBuf,
    bases: Mutex<BTreeMap<u64, PathBuf>>,
    numbers: AtomicU64,
    ready: Mutex<Ready>,
    usable: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    size_bytes: u64,
    /// For a root's writable layer, with the directories of one; else for whoever is told.
    is_layer: bool,
}

/// Prepared ones by kind, lately used kinds first.
#[derive(Default)]
struct Ready(Vec<(Kind, Vec<Scratch>)>);

/// A scratch file system.
pub(super) struct Scratch {
    /// Detached until it is moved to its place.
    pub(super) tree: OwnedFd,
    /// The device that it is on.
    node: PathBuf,
    /// Of one for a layer: what it takes to use it again.
    pub(super) again: Option<Again>,
}

/// A file system that has served as a layer, to be emptied and used again.
pub(super) struct Again {
    /// Another mount of it.
    tree: OwnedFd,
    node: PathBuf,
    kind: Kind,
    /// How often it has been.
    count: u32,
    /// Blocks and inodes in use when it is empty.
    empty: (u64, u64),
    /// The root that was laid over it, where the next may have that.
    pub(super) laid: Option<Laid>,
}

impl Again {
    /// A mount of it.
    pub(super) fn tree(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }

    /// It is bounded so.
    pub(super) fn holds(&self, size_bytes: u64) -> bool {
        self.kind == Kind { size_bytes: size_bytes.max(SIZE_BYTES_MIN), is_layer: true }
    }
}

impl Scratch {
    /// Another mount of the same file system, for another container of its sandbox.
    pub(super) fn share(&self) -> io::Result<OwnedFd> {
        mount_device(&self.node)
    }
}

impl Ready {
    fn take(&mut self, wanted: Kind) -> Option<Scratch> {
        let at = self.0.iter().position(|(kind, _)| *kind == wanted);
        let mut ready = at.map(|at| self.0.remove(at).1).unwrap_or_default();
        let scratch = ready.pop();
        self.0.insert(0, (wanted, ready));
        self.0.truncate(KINDS_MAX);
        scratch
    }
}

impl Scratches {
    /// Empties `dir`. Device nodes go into `nodes`.
    pub(super) fn new(dir: &Path, nodes: &Path) -> io::Result<Self> {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            nodes: nodes.to_owned(),
            bases: Mutex::default(),
            numbers: AtomicU64::new(0),
            ready: Mutex::default(),
            usable: probe::loops_are_there(),
        })
    }

    /// This host can.
    pub(super) fn are_usable(&self) -> bool {
        self.usable
    }

    /// One that holds at most `size_bytes`, as a detached mount; a prepared one if there is.
    pub(super) fn take(&self, size_bytes: u64, user: User) -> io::Result<Scratch> {
        let scratch = self.take_kind(size_bytes, false)?;
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        rustix::fs::chownat(&scratch.tree, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        Ok(scratch)
    }

    /// Likewise one for a root's writable layer.
    pub(super) fn take_layer(&self, size_bytes: u64) -> io::Result<Scratch> {
        self.take_kind(size_bytes, true)
    }

    fn take_kind(&self, size_bytes: u64, is_layer: bool) -> io::Result<Scratch> {
        let kind = Kind { size_bytes: size_bytes.max(SIZE_BYTES_MIN), is_layer };
        let ready = self.ready.lock().take(kind);
        ready.map_or_else(|| self.make(kind), Ok)
    }

    /// A kind that was lately asked for and of which none is prepared.
    pub(super) fn lack(&self) -> Option<Kind> {
        let ready = self.ready.lock();
        let lack = ready.0.iter().find(|(_, ready)| ready.len() < READY_MAX);
        lack.map(|(kind, _)| *kind)
    }

    /// Prepares one; a kind of which none can be made is forgotten.
    pub(super) fn prepare(&self, wanted: Kind) {
        let made = self.make(wanted);
        let mut ready = self.ready.lock();
        match (made, ready.0.iter_mut().find(|(kind, _)| *kind == wanted)) {
            (Ok(scratch), Some((_, ready))) => ready.push(scratch),
            (Ok(_), None) => {}
            (Err(error), _) => {
                log(&format!("could not prepare scratch space: {error}"));
                ready.0.retain(|(kind, _)| *kind != wanted);
            }
        }
    }

    fn make(&self, Kind { size_bytes, is_layer }: Kind) -> io::Result<Scratch> {
        let base = self.base(size_bytes)?;
        let image = self.dir.join(format!("{}.img", self.numbers.fetch_add(1, Ordering::Relaxed)));
        let file = File::options().read(true).write(true).create_new(true).open(&image)?;
        fs::remove_file(&image)?;
        copy_data(&File::open(base)?, &file)?;
        let mut scratch = self.mount(&file)?;
        let tree = &scratch.tree;
        let path = format!("/proc/self/fd/{}", tree.as_raw_fd());
        rustix::fs::chmod(path, Mode::from_raw_mode(0o1777))?;
        let _ = rustix::fs::unlinkat(tree, c"lost+found", AtFlags::REMOVEDIR);
        for name in LAYER_DIRS.iter().filter(|_| is_layer) {
            rustix::fs::mkdirat(tree, *name, Mode::from_raw_mode(0o755))?;
        }
        if is_layer {
            let (tree, node) = (scratch.share()?, scratch.node.clone());
            let (kind, empty) = (Kind { size_bytes, is_layer }, in_use(&tree)?);
            scratch.again = Some(Again { tree, node, kind, count: 0, empty, laid: None });
        }
        Ok(scratch)
    }

    /// Empties one whose container has ended, and keeps it for the next of its kind, unless it
    /// has held much.
    pub(super) fn give_back(&self, again: Again) {
        let lacks = |ready: &Ready| {
            let same = ready.0.iter().find(|(kind, _)| *kind == again.kind);
            same.is_some_and(|(_, ready)| ready.len() < READY_AGAIN_MAX)
        };
        if !lacks(&self.ready.lock()) {
            return;
        }
        let kind = again.kind;
        // what cannot be emptied is let go
        let Ok(Some(scratch)) = empty(again) else { return };
        let mut ready = self.ready.lock();
        if let Some((_, ready)) = ready.0.iter_mut().find(|(known, _)| *known == kind) {
            ready.push(scratch);
        }
    }

    /// An empty file system of this size.
    fn base(&self, size_bytes: u64) -> io::Result<PathBuf> {
        let mut bases = self.bases.lock();
        if let Some(base) = bases.get(&size_bytes) {
            return Ok(base.clone());
        }
        let path = self.dir.join(format!("base-{size_bytes}.img"));
        File::create(&path)?.set_len(image_bytes(size_bytes))?;
        let program = probe::mke2fs().ok_or(io::ErrorKind::NotFound)?;
        let status = Command::new(program)
            .args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal,^resize_inode"])
            .args(["-E", "lazy_itable_init=1,nodiscard"])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("mke2fs: {status}")));
        }
        bases.insert(size_bytes, path.clone());
        Ok(path)
    }

    fn mount(&self, file: &File) -> io::Result<Scratch> {
        let control = File::options().read(true).write(true).open("/dev/loop-control")?;
        for _ in 0..TRIES_MAX {
            // SAFETY: no memory is passed.
            let free = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
            let number = sys::check(free.into())? as u32;
            let node = self.node(number)?;
            let device = File::options().read(true).write(true).open(&node)?;
            match configure(&device, file) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    // the device is free again at once where this fails
                    let tree = mount_device(&node)?;
                    return Ok(Scratch { tree, node, again: None });
                }
            }
        }
        Err(io::Error::from_raw_os_error(libc::EBUSY))
    }

    /// A node of our own: the host's `/dev` may lack it.
    fn node(&self, number: u32) -> io::Result<PathBuf> {
        let path = self.nodes.join(format!("loop{number}"));
        if !path.exists() {
            let name = CString::new(path.as_os_str().as_bytes())?;
            match sys::mknod(&name, libc::S_IFBLK | 0o600, LOOP_MAJOR, number) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(path)
    }
}

/// Length of an image whose file system has room for `size_bytes`, and not much more. By `mke2fs`'s
/// usual settings inodes take 6 % of what is smaller than 512 MiB and less than 2 % of the rest;
/// the kernel keeps another 2 % to itself, 16 MiB at most.
fn image_bytes(size_bytes: u64) -> u64 {
    let inodes = size_bytes / if size_bytes < SMALL_BYTES { 13 } else { 48 };
    let kept = (size_bytes / 45).min(KEPT_BYTES_MAX);
    size_bytes + inodes + kept + (4 << 20)
}

/// Makes the directories of a layer anew. A mount of the old ones that is still somewhere has
/// nothing of the new ones.
fn empty(again: Again) -> io::Result<Option<Scratch>> {
    let Again { tree, node, kind, count, empty, laid } = again;
    drop(laid); // first of all: nothing lies over it any more
    let (blocks, inodes) = in_use(&tree)?;
    let much = blocks > empty.0 + AGAIN_BLOCKS_MAX || inodes > empty.1 + AGAIN_INODES_MAX;
    if much || count >= AGAIN_MAX {
        return Ok(None);
    }
    let below = PathBuf::from(format!("/proc/self/fd/{}", tree.as_raw_fd()));
    for name in LAYER_DIRS {
        fs::remove_dir_all(below.join(name))?;
        rustix::fs::mkdirat(&tree, name, Mode::from_raw_mode(0o755))?;
    }
    let other = mount_device(&node)?;
    let (node_of, count) = (node.clone(), count + 1);
    let again = Again { tree: other, node: node_of, kind, count, empty, laid: None };
    Ok(Some(Scratch { tree, node, again: Some(again) }))
}

/// Blocks and inodes in use.
fn in_use(tree: impl AsFd) -> io::Result<(u64, u64)> {
    let found = rustix::fs::fstatvfs(tree)?;
    Ok((found.f_blocks - found.f_bfree, found.f_files - found.f_ffree))
}

/// Mounts the file system of a device, again where it is mounted already.
fn mount_device(node: &Path) -> io::Result<OwnedFd> {
    let fs = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "source", node)?;
    // what ends with its sandbox need not reach the disk in order, or at all
    fsconfig_set_flag(&fs, "nobarrier")?;
    fsconfig_set_flag(&fs, "noauto_da_alloc")?;
    fsconfig_set_flag(&fs, "noinit_itable")?;
    fsconfig_create(&fs)?;
    finish(&fs, MountAttrFlags::MOUNT_ATTR_NOATIME)
}

fn configure(device: impl AsFd, file: impl AsFd) -> io::Result<()> {
    let mut config = [0u8; LOOP_CONFIG_BYTES];
    let fd = file.as_fd().as_raw_fd() as u32;
    config[..4].copy_from_slice(&fd.to_ne_bytes());
    let flags = LO_FLAGS_AUTOCLEAR.to_ne_bytes();
    config[LOOP_FLAGS_AT..LOOP_FLAGS_AT + 4].copy_from_slice(&flags);
    let raw = device.as_fd().as_raw_fd();
    // SAFETY: the buffer is as long as the kernel's struct.
    sys::check(unsafe { libc::ioctl(raw, LOOP_CONFIGURE, config.as_ptr()) }.into()).map(drop)
}

/// Copies what a sparse file holds, and its length.
fn copy_data(from: &File, to: &File) -> io::Result<()> {
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut at = 0;
    let mut buffer = vec![0; 64 << 10];
    while at < length {
        let data = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = rustix::fs::seek(from, SeekFrom::Hole(data))?;
        at = data;
        while at < hole {
            let step = (hole - at).min(buffer.len() as u64) as usize;
            from.read_exact_at(&mut buffer[..step], at)?;
            to.write_all_at(&buffer[..step], at)?;
            at += step as u64;
        }
    }
    Ok(())
}
