//! Mounts that a child makes inside its sandbox.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::{ContainerPlan, InitPlan, Mask, Report};

/// Flags of `move_mount`: the path is empty, the descriptor says it.
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

/// Mounts a detached tree at a path.
pub(super) unsafe fn move_tree(tree: RawFd, at: RawFd, path: &CStr, report: &Report) {
    let flags = MOVE_MOUNT_F_EMPTY_PATH;
    // SAFETY: the path ends in nul.
    let result = unsafe {
        libc::syscall(libc::SYS_move_mount, tree, c"".as_ptr(), at, path.as_ptr(), flags)
    };
    report.check(4, result);
}

/// The kernel's `struct open_how`.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Mounts a detached tree at its place inside, whatever links there are.
unsafe fn attach(tree: RawFd, root: RawFd, target: &CStr, report: &Report) {
    let how = OpenHow {
        flags: (libc::O_PATH | libc::O_CLOEXEC) as u64,
        mode: 0,
        resolve: libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS,
    };
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: the structure has the layout that its size says; all strings end in nul.
    unsafe {
        let size = size_of::<OpenHow>();
        let place = libc::syscall(libc::SYS_openat2, root, target.as_ptr(), &raw const how, size);
        report.check(4, place);
        let moved =
            libc::syscall(libc::SYS_move_mount, tree, c"".as_ptr(), place, c"".as_ptr(), flags);
        report.check(4, moved);
        libc::close(place as RawFd);
    }
}

/// The file systems of a container. `/proc` and `/sys` are plain directories of its root: its
/// maker has looked.
pub(super) unsafe fn mount_container(plan: &ContainerPlan<'_>, report: &Report) {
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: all strings are static or in the plan.
    unsafe {
        let root = libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        report.check(4, root.into());
        mount(report, c"proc", c"/proc", Some(c"proc"), safe, None);
        mount(report, c"sysfs", c"/sys", Some(c"sysfs"), safe | libc::MS_RDONLY, None);
        for (path, value) in plan.parameters {
            set_parameter(path, value, report);
        }
        show_groups(plan.groups);
        let mut mounts = plan.mounts.iter();
        // the first is `/dev`, which the others go into
        if let Some((tree, target)) = mounts.next() {
            attach(tree.as_raw_fd(), root, target, report);
        }
        let options = Some(c"newinstance,ptmxmode=0666,mode=0620,gid=5");
        let quiet = libc::MS_NOSUID | libc::MS_NOEXEC;
        mount(report, c"devpts", c"/dev/pts", Some(c"devpts"), quiet, options);
        mount(report, c"shm", c"/dev/shm", Some(c"tmpfs"), safe, Some(plan.shm));
        mount(report, c"mqueue", c"/dev/mqueue", Some(c"mqueue"), safe, None);
        for (path, mask) in plan.masks {
            match mask {
                Mask::File => mount(report, c"/dev/null", path, None, libc::MS_BIND, None),
                Mask::Directory => {
                    let options = Some(c"size=0,nr_inodes=2,mode=0555");
                    let flags = safe | libc::MS_RDONLY;
                    mount(report, c"tmpfs", path, Some(c"tmpfs"), flags, options);
                }
                Mask::ReadOnly => {
                    mount(report, path, path, None, libc::MS_BIND | libc::MS_REC, None);
                    let again = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | safe;
                    mount(report, path, path, None, again, None);
                }
            }
        }
        for (tree, target) in mounts {
            attach(tree.as_raw_fd(), root, target, report);
        }
    }
}

/// Writes a kernel parameter of the namespaces that it is in, before it can see them.
unsafe fn set_parameter(path: &CStr, value: &CStr, report: &Report) {
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: the strings end in nul.
    unsafe {
        let file = libc::open(path.as_ptr(), flags);
        report.check(12, file.into());
        let written = libc::write(file, value.as_ptr().cast(), value.count_bytes());
        report.check(12, written as i64);
        libc::close(file);
    }
}

/// Shows a container its control groups, with its own as their root: runtimes size themselves by
/// them. What cannot be shown is not.
unsafe fn show_groups(groups: &[(CString, CString)]) {
    let sealed = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY;
    let top = c"/sys/fs/cgroup".as_ptr();
    let none = ptr::null::<libc::c_void>();
    // SAFETY: all strings end in nul.
    unsafe {
        if let [(_, which)] = groups
            && which.is_empty()
        {
            libc::mount(c"cgroup".as_ptr(), top, c"cgroup2".as_ptr(), sealed, none);
            return;
        }
        let open = sealed & !libc::MS_RDONLY;
        let options = c"mode=0755,size=64k".as_ptr().cast();
        if libc::mount(c"tmpfs".as_ptr(), top, c"tmpfs".as_ptr(), open, options) < 0 {
            return;
        }
        for (at, which) in groups {
            libc::mkdir(at.as_ptr(), 0o755);
            let kind = c"cgroup".as_ptr();
            libc::mount(kind, at.as_ptr(), kind, sealed, which.as_ptr().cast());
        }
        libc::mount(ptr::null(), top, ptr::null(), sealed | libc::MS_REMOUNT, none);
    }
}

pub(super) unsafe fn mount_own(plan: &InitPlan<'_>, report: &Report) {
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: all strings are static or in the plan.
    unsafe {
        mount(report, c"proc", c"/proc", Some(c"proc"), safe, None);
        let options = Some(c"newinstance,ptmxmode=0666,mode=0620");
        let quiet = libc::MS_NOSUID | libc::MS_NOEXEC;
        mount(report, c"devpts", c"/dev/pts", Some(c"devpts"), quiet, options);
        let options = Some(c"mode=1777,size=64m");
        mount(report, c"shm", c"/dev/shm", Some(c"tmpfs"), safe, options);
        if plan.own_tmp {
            let flags = libc::MS_NOSUID | libc::MS_NODEV;
            mount(report, c"tmp", c"/tmp", Some(c"tmpfs"), flags, options);
        }
        for (path, mask) in plan.masks {
            match mask {
                Mask::File => mount(report, c"/dev/null", path, None, libc::MS_BIND, None),
                // the skeleton's `/sys` is empty and read-only
                Mask::Directory => mount(report, c"/sys", path, None, libc::MS_BIND, None),
                Mask::ReadOnly => {
                    mount(report, path, path, None, libc::MS_BIND | libc::MS_REC, None);
                    let again = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | safe;
                    mount(report, path, path, None, again, None);
                }
            }
        }
    }
}

unsafe fn mount(
    report: &Report,
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: all strings end in nul.
    let result = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), pointer(kind), flags, pointer(options).cast())
    };
    report.check(4, result.into());
}
