//! Users of a sandbox's own: a user namespace, in which its root is an id that nobody on the host
//! has.

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{Gid, Uid};
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};

use super::clone;
use super::root::detach_tree;
use crate::sys;

/// Ids of one sandbox, and the first of them all: above what systems give to users and to
/// containers of others.
const COUNT: u32 = 1 << 16;
const FIRST: u32 = 0x7000_0000;
/// Sandboxes that have ids of their own.
const SANDBOXES_MAX: u32 = 4_000;

/// Which ids sandboxes have.
#[derive(Clone, Default)]
pub(super) struct Ranges(Arc<Mutex<BTreeSet<u32>>>);

/// A sandbox's users.
pub(super) struct Owners {
    /// The host's id of its root.
    first: u32,
    namespace: OwnedFd,
    number: u32,
    ranges: Ranges,
}

impl Ranges {
    /// Users for one sandbox. `waits` is a program that only waits.
    pub(super) fn make(&self, waits: BorrowedFd<'_>) -> io::Result<Owners> {
        let number = {
            let mut taken = self.0.lock();
            let free = (0..SANDBOXES_MAX).find(|number| !taken.contains(number));
            let number = free.ok_or_else(|| io::Error::other("too many sandboxes have users"))?;
            taken.insert(number);
            number
        };
        let first = FIRST + number * COUNT;
        match namespace(first, waits) {
            Ok(namespace) => Ok(Owners { first, namespace, number, ranges: self.clone() }),
            Err(error) => {
                self.0.lock().remove(&number);
                Err(error)
            }
        }
    }
}

impl Drop for Owners {
    fn drop(&mut self) {
        self.ranges.0.lock().remove(&self.number);
    }
}

impl Owners {
    /// The namespace.
    pub(super) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// The host's id of one of its users or groups.
    pub(super) fn outside(&self, inside: u32) -> u32 {
        self.first + inside.min(COUNT - 1)
    }

    /// Has its users own the files of a mount that is nowhere yet.
    pub(super) fn map(&self, tree: &OwnedFd) -> io::Result<()> {
        sys::map_owners(tree.as_fd(), self.namespace.as_fd())
    }

    /// Layers as its users own them, mounted below `dir` while `work` is done with their paths.
    pub(super) fn with_layers<T>(
        &self,
        layers: &[&Path],
        dir: &Path,
        work: impl FnOnce(&[std::path::PathBuf]) -> io::Result<T>,
    ) -> io::Result<T> {
        let places: Vec<_> = (0..layers.len()).map(|at| dir.join(at.to_string())).collect();
        let mounted = layers.iter().zip(&places).try_for_each(|(layer, place)| {
            let tree = detach_tree(layer)?;
            self.map(&tree)?;
            fs::create_dir_all(place)?;
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            Ok(move_mount(&tree, c"", rustix::fs::CWD, place, flags)?)
        });
        let done = mounted.and_then(|()| work(&places));
        for place in &places {
            let _ = unmount(place, UnmountFlags::DETACH);
            let _ = fs::remove_dir(place);
        }
        let _ = fs::remove_dir(dir);
        done
    }

    /// Gives a directory of the host to its root.
    pub(super) fn give(&self, dir: &Path) -> io::Result<()> {
        let root = (Uid::from_raw(self.first), Gid::from_raw(self.first));
        Ok(rustix::fs::chown(dir, Some(root.0), Some(root.1))?)
    }
}

/// Makes the namespace: by a process that begins in it and only waits until others have said
/// who is who.
fn namespace(first: u32, waits: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let frame = waits.as_raw_fd();
    // SAFETY: the entry neither returns, allocates nor locks; the frame outlives the call.
    let child =
        unsafe { clone::spawn(libc::CLONE_NEWUSER, None, entry, (&raw const frame).cast())? };
    let map = format!("0 {first} {COUNT}");
    let own = format!("/proc/{}", child.pid);
    let made = fs::write(format!("{own}/uid_map"), &map)
        .and_then(|()| fs::write(format!("{own}/gid_map"), &map))
        .and_then(|()| File::open(format!("{own}/ns/user")));
    let _ = sys::send_signal(child.pidfd.as_fd(), libc::SIGKILL);
    let _ = sys::reap_now(child.pidfd.as_fd());
    Ok(made?.into())
}

unsafe extern "C" fn entry(frame: *const c_void) -> ! {
    let argv = [c"init".as_ptr(), ptr::null()];
    let environment = [ptr::null::<libc::c_char>()];
    // SAFETY: `namespace` passes a descriptor's number, which outlives us; the lists end in null.
    unsafe {
        let program = *frame.cast::<i32>();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        let flags = libc::CLOSE_RANGE_CLOEXEC;
        libc::syscall(libc::SYS_close_range, 0, u32::MAX, flags);
        libc::syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
        libc::_exit(127)
    }
}
