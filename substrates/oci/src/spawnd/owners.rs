//! Users of a sandbox's own: a user namespace, in which its root is an id that nobody on the host
//! has, no other sandbox of any helper among them: each range in use is a locked file.

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, Gid, Uid, flock};
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};

use super::clone::{self, Unborn};
use super::root::detach_tree;
use crate::sys;

/// Ids of one sandbox, and the first of them all: above what systems give to users and to
/// containers of others.
const COUNT: u32 = 1 << 16;
const FIRST: u32 = 0x7000_0000;
/// Sandboxes that have ids of their own.
const SANDBOXES_MAX: u32 = 4_000;

/// A file for each range that a helper of this host has used.
const USED: &str = "/run/haar/users";

/// Where systems write down which ids they have given to users.
const GIVEN: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// Which ids sandboxes have.
#[derive(Clone, Default)]
pub(super) struct Ranges(Arc<Mutex<BTreeSet<u32>>>);

/// A sandbox's users.
pub(super) struct Owners {
    /// The host's id of its root.
    first: u32,
    namespace: OwnedFd,
    _range: Range,
}

/// A range that a sandbox has, until this is dropped.
struct Range {
    number: u32,
    ranges: Ranges,
    /// Locked. None where such files cannot be had: then helpers do not see each other's.
    _used: Option<File>,
}

/// The kernel gives mounts in memory owners of a sandbox's own (Linux 6.3), and lets some be made.
pub(crate) fn are_possible() -> bool {
    let most = fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.');
    let mut next = || numbers.next()?.parse::<u32>().ok();
    !matches!(most.trim(), "" | "0") && (next(), next()) >= (Some(6), Some(3))
}

impl Ranges {
    /// Users for one sandbox. `waits` is a program that only waits.
    pub(super) fn make(&self, waits: BorrowedFd<'_>) -> io::Result<Owners> {
        let range = self.claim(Path::new(USED), &given())?;
        let first = first_of(range.number);
        Ok(Owners { first, namespace: namespace(first, waits)?, _range: range })
    }

    /// A range that neither a sandbox of any helper nor a user of the host has.
    fn claim(&self, used: &Path, given: &[std::ops::Range<u64>]) -> io::Result<Range> {
        let mut taken = self.0.lock();
        for number in (0..SANDBOXES_MAX).filter(|number| !taken.contains(number)) {
            let own = u64::from(first_of(number));
            let own = own..own + u64::from(COUNT);
            if given.iter().any(|given| given.start < own.end && own.start < given.end) {
                continue;
            }
            if let Ok(file) = lock(&used.join(number.to_string())) {
                taken.insert(number);
                return Ok(Range { number, ranges: self.clone(), _used: file });
            }
        }
        Err(io::Error::other("too many sandboxes have users"))
    }
}

fn first_of(number: u32) -> u32 {
    FIRST + number * COUNT
}

/// The file, locked; none where there can be no such file. An error: somebody else has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let open = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        File::options().create(true).truncate(false).write(true).open(path)
    };
    let file = match open() {
        Ok(file) => file,
        Err(error) if is_no_place(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(Some(file))
}

/// The host keeps nothing there, or nothing of ours.
fn is_no_place(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AlreadyExists, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
    };
    let kind = error.kind();
    matches!(kind, NotFound | PermissionDenied | ReadOnlyFilesystem | NotADirectory | AlreadyExists)
}

/// Ids that the host has given to users.
fn given() -> Vec<std::ops::Range<u64>> {
    GIVEN.iter().flat_map(|file| ranges_in(&fs::read_to_string(file).unwrap_or_default())).collect()
}

/// Lines of a name, the first id, and how many: what is none is passed over.
fn ranges_in(text: &str) -> Vec<std::ops::Range<u64>> {
    let range = |line: &str| {
        let mut fields = line.split(':').skip(1).map(|field| field.trim().parse::<u64>().ok());
        let (first, count) = (fields.next()??, fields.next()??);
        Some(first..first.saturating_add(count))
    };
    text.lines().filter_map(range).collect()
}

impl Drop for Range {
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

    /// The id inside of one of the host's.
    pub(super) fn inside(&self, outside: u32) -> u32 {
        outside.saturating_sub(self.first).min(COUNT - 1)
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
    let child = unsafe {
        let frame = (&raw const frame).cast();
        clone::spawn(libc::CLONE_NEWUSER, None, entry, frame, &Unborn::default())?
    };
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

#[cfg(test)]
#[allow(clippy::unwrap_used)] // as tests do
mod tests {
    use super::*;

    #[test]
    fn helpers_of_one_host_have_different_ranges() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Ranges::default(), Ranges::default());
        let claim = |ranges: &Ranges| ranges.claim(dir.path(), &[]).unwrap();
        let (first, second) = (claim(&one), claim(&other));
        assert_eq!((first.number, second.number, claim(&one).number), (0, 1, 2));
        drop(first);
        assert_eq!(claim(&other).number, 0);
        assert_eq!(claim(&one).number, 0);
    }

    #[test]
    fn what_the_host_has_given_to_users_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("ann:100000:65536\n# a note\nbob:{}:2\n", first_of(1) - 1);
        let given = ranges_in(&text);
        assert_eq!(given.len(), 2);
        assert_eq!(Ranges::default().claim(dir.path(), &given).unwrap().number, 2);
    }

    #[test]
    fn without_a_place_for_files_one_helper_still_keeps_its_sandboxes_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let ranges = Ranges::default();
        let first = ranges.claim(&file, &[]).unwrap();
        assert_eq!((first.number, ranges.claim(&file, &[]).unwrap().number), (0, 1));
    }
}
