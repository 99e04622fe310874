//! What a child does between clone and exec: the first process of a sandbox, which sets up the
//! namespaces and then only waits, and the processes that join it.
//!
//! **Invariant:** nothing here allocates, locks, panics or touches what is not in its plan: the
//! memory is the helper's own until exec.

use std::ffi::{CStr, CString, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use haar_substrate::User;

use super::clone::{self, Child};
use super::seccomp::Programs;
use crate::cgroup::Entries;

/// Bits that the kernel may know; the bounding set refuses those it does not.
const CAPABILITIES: u32 = 64;
/// Flags of `move_mount`: the path is empty, the descriptor says it.
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

/// What a child was doing when it failed; written by it, read by its parent.
#[derive(Default)]
struct Report {
    stage: AtomicU8,
    errno: AtomicI32,
}

/// Stages in order; the number is the index of the words.
const STAGES: [&str; 12] = [
    "start",
    "join the control groups",
    "join the sandbox",
    "enter the root file system",
    "mount inside the sandbox",
    "set the descriptors",
    "set the limits",
    "become the user",
    "enter the working directory",
    "drop privileges",
    "install the system call filter",
    "exec",
];

/// Why there is no child.
#[derive(Debug)]
pub(super) struct ChildError {
    pub(super) stage: &'static str,
    pub(super) error: io::Error,
}

/// Everything that the first process of a sandbox needs.
pub(super) struct InitPlan<'a> {
    /// The prepared root, a mount point in the helper's mount namespace.
    pub(super) root: &'a CStr,
    /// `/tmp` is not mounted by the container.
    pub(super) own_tmp: bool,
    /// Below `/proc`: hidden files and directories, read-only paths.
    pub(super) masks: &'a [(CString, Mask)],
    /// The waiting program.
    pub(super) program: BorrowedFd<'a>,
    pub(super) entries: &'a Entries,
    /// The first process of the container whose network this one shares.
    pub(super) network_of: Option<BorrowedFd<'a>>,
}

/// How a path of `/proc` is kept from a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mask {
    File,
    Directory,
    ReadOnly,
}

/// Everything that a program in a sandbox needs.
pub(super) struct ProgramPlan<'a> {
    /// The sandbox's first process.
    pub(super) init: BorrowedFd<'a>,
    pub(super) entries: &'a Entries,
    pub(super) program: ProgramSpec<'a>,
}

/// A program and what it may do.
pub(super) struct ProgramSpec<'a> {
    /// To become 0, 1, 2 and perhaps 3; all above 9.
    pub(super) stdio: [BorrowedFd<'a>; 3],
    pub(super) assign: Option<BorrowedFd<'a>>,
    /// Standard input is a terminal, and becomes the program's own.
    pub(super) terminal: bool,
    /// Where the program may be; the first that can be run is.
    pub(super) paths: Vec<CString>,
    pub(super) argv: Vec<CString>,
    pub(super) env: Vec<CString>,
    pub(super) cwd: CString,
    pub(super) user: User,
    pub(super) groups: Vec<libc::gid_t>,
    /// By the kernel's numbers: soft and hard.
    pub(super) rlimits: Vec<(u32, u64, u64)>,
    /// Capabilities that it and what it becomes can have at most.
    pub(super) bounding: u64,
    /// Capabilities that it has.
    pub(super) permitted: u64,
    pub(super) no_new_privileges: bool,
    pub(super) seccomp: &'a Programs,
}

/// Everything that the first process of a container with a root of its own needs.
pub(super) struct ContainerPlan<'a> {
    /// The root, mounted nowhere yet.
    pub(super) tree: BorrowedFd<'a>,
    /// An empty directory in the helper's mount namespace.
    pub(super) anchor: &'a CStr,
    /// Moved to their places in this order.
    pub(super) mounts: Vec<(BorrowedFd<'a>, &'a CStr)>,
    pub(super) masks: &'a [(CString, Mask)],
    /// Options of `/dev/shm`.
    pub(super) shm: &'a CStr,
    pub(super) hostname: &'a CStr,
    pub(super) entries: &'a Entries,
    /// None is the host's own.
    pub(super) network: Option<BorrowedFd<'a>>,
    pub(super) first: First<'a>,
}

/// What a container's first process becomes.
pub(super) enum First<'a> {
    /// One that only waits and reaps.
    Init(BorrowedFd<'a>),
    Program(Box<ProgramSpec<'a>>),
}

struct InitFrame<'a> {
    plan: &'a InitPlan<'a>,
    report: &'a Report,
}

struct ProgramFrame<'a> {
    plan: &'a ProgramPlan<'a>,
    vectors: Vectors,
    report: &'a Report,
}

struct ContainerFrame<'a> {
    plan: &'a ContainerPlan<'a>,
    vectors: Vectors,
    report: &'a Report,
}

/// Argument and environment lists as exec takes them.
#[derive(Default)]
struct Vectors {
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
}

impl Vectors {
    fn of(program: &ProgramSpec<'_>) -> Self {
        let pointers = |strings: &[CString]| {
            strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
        };
        Self { argv: pointers(&program.argv), env: pointers(&program.env) }
    }
}

/// Starts the first process of a sandbox.
pub(super) fn start_init(plan: &InitPlan<'_>) -> Result<Child, ChildError> {
    let mut namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC;
    namespaces |= libc::CLONE_NEWUTS;
    if plan.network_of.is_none() {
        namespaces |= libc::CLONE_NEWNET;
    }
    let report = Report::default();
    let frame = InitFrame { plan, report: &report };
    start(namespaces, plan.entries, &report, init_entry, (&raw const frame).cast())
}

/// Starts a program in a sandbox. The calling thread must have the sandbox's pid namespace for
/// its children.
pub(super) fn start_program(plan: &ProgramPlan<'_>) -> Result<Child, ChildError> {
    let report = Report::default();
    let vectors = Vectors::of(&plan.program);
    let frame = ProgramFrame { plan, vectors, report: &report };
    start(0, plan.entries, &report, program_entry, (&raw const frame).cast())
}

/// Starts the first process of a container with a root of its own.
pub(super) fn start_container(plan: &ContainerPlan<'_>) -> Result<Child, ChildError> {
    let namespaces =
        libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let report = Report::default();
    let vectors = match &plan.first {
        First::Init(_) => Vectors::default(),
        First::Program(program) => Vectors::of(program),
    };
    let frame = ContainerFrame { plan, vectors, report: &report };
    start(namespaces, plan.entries, &report, container_entry, (&raw const frame).cast())
}

fn start(
    namespaces: i32,
    entries: &Entries,
    report: &Report,
    entry: unsafe extern "C" fn(*const c_void) -> !,
    frame: *const c_void,
) -> Result<Child, ChildError> {
    let cgroup = entries.directory.as_ref().map(|fd| std::os::fd::AsFd::as_fd(fd));
    // SAFETY: the entries below neither return, allocate nor lock; the frame outlives the call.
    let child = unsafe { clone::spawn(namespaces, cgroup, entry, frame) }
        .map_err(|error| ChildError { stage: STAGES[0], error })?;
    match report.errno.load(Ordering::SeqCst) {
        0 => Ok(child),
        errno => {
            reap_failed(&child.pidfd);
            let stage = usize::from(report.stage.load(Ordering::SeqCst)).min(STAGES.len() - 1);
            let error = io::Error::from_raw_os_error(errno);
            Err(ChildError { stage: STAGES[stage], error })
        }
    }
}

fn reap_failed(pidfd: &OwnedFd) {
    // SAFETY: an all-zero siginfo is valid. The child is in `_exit`: this wait is short.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t, &mut info, libc::WEXITED);
    }
}

impl Report {
    /// Ends the child when a call failed.
    fn check(&self, stage: u8, result: i64) {
        if result < 0 {
            // SAFETY: errno is thread-local; the parent's thread stands still.
            let errno = unsafe { *libc::__errno_location() };
            self.stage.store(stage, Ordering::SeqCst);
            self.errno.store(if errno == 0 { libc::EIO } else { errno }, Ordering::SeqCst);
            // SAFETY: ends only this process.
            unsafe { libc::_exit(127) }
        }
    }
}

unsafe extern "C" fn init_entry(frame: *const c_void) -> ! {
    // SAFETY: `start_init` passes this type, and it outlives us.
    let InitFrame { plan, report } = unsafe { &*frame.cast::<InitFrame<'_>>() };
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        die_with_parent(report);
        join_cgroups(plan.entries, report);
        if let Some(other) = &plan.network_of {
            report.check(2, libc::setns(other.as_raw_fd(), libc::CLONE_NEWNET).into());
        }
        report.check(1, libc::unshare(libc::CLONE_NEWCGROUP).into());
        report.check(3, libc::chdir(plan.root.as_ptr()).into());
        enter_root(report);
        mount_own(plan, report);
        report.check(4, libc::sethostname(c"sandbox".as_ptr(), 7).into());
        wait_for_ever(plan.program.as_raw_fd(), report);
    }
}

/// Makes the working directory the root.
unsafe fn enter_root(report: &Report) {
    // SAFETY: all strings are static.
    unsafe {
        report.check(3, libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()));
        report.check(3, libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into());
        report.check(3, libc::chdir(c"/".as_ptr()).into());
    }
}

/// Becomes the program that only waits.
unsafe fn wait_for_ever(program: RawFd, report: &Report) -> ! {
    let environment = [ptr::null::<libc::c_char>()];
    let argv = [c"init".as_ptr(), ptr::null()];
    // SAFETY: the lists end in null.
    unsafe {
        libc::setsid();
        // children that nobody waits for vanish by themselves
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        close_from(0, report);
        bound_capabilities(0, report);
        set_capabilities(0, report);
        report.check(9, libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into());
        libc::syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    report.check(11, -1);
    unreachable_child()
}

unsafe extern "C" fn container_entry(frame: *const c_void) -> ! {
    // SAFETY: `start_container` passes this type, and it outlives us.
    let frame = unsafe { &*frame.cast::<ContainerFrame<'_>>() };
    let (plan, report) = (frame.plan, frame.report);
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        die_with_parent(report);
        join_cgroups(plan.entries, report);
        if let Some(network) = &plan.network {
            report.check(2, libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET).into());
        }
        report.check(1, libc::unshare(libc::CLONE_NEWCGROUP).into());
        move_tree(plan.tree.as_raw_fd(), libc::AT_FDCWD, plan.anchor, report);
        report.check(3, libc::chdir(plan.anchor.as_ptr()).into());
        enter_root(report);
        mount_container(plan, report);
        let name = plan.hostname;
        report.check(4, libc::sethostname(name.as_ptr(), name.count_bytes()).into());
        match &plan.first {
            First::Init(program) => wait_for_ever(program.as_raw_fd(), report),
            First::Program(program) => become_program(program, &frame.vectors, report),
        }
    }
}

/// Mounts a detached tree at a path.
unsafe fn move_tree(tree: RawFd, at: RawFd, path: &CStr, report: &Report) {
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
unsafe fn mount_container(plan: &ContainerPlan<'_>, report: &Report) {
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: all strings are static or in the plan.
    unsafe {
        let root = libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        report.check(4, root.into());
        mount(report, c"proc", c"/proc", Some(c"proc"), safe, None);
        mount(report, c"sysfs", c"/sys", Some(c"sysfs"), safe | libc::MS_RDONLY, None);
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

unsafe extern "C" fn program_entry(frame: *const c_void) -> ! {
    // SAFETY: `start_program` passes this type, and it outlives us.
    let frame = unsafe { &*frame.cast::<ProgramFrame<'_>>() };
    let (plan, report) = (frame.plan, frame.report);
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        join_cgroups(plan.entries, report);
        let namespaces = libc::CLONE_NEWNS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWCGROUP;
        report.check(2, libc::setns(plan.init.as_raw_fd(), namespaces).into());
        become_program(&plan.program, &frame.vectors, report);
    }
}

/// Becomes the program, with what it may do and no more.
unsafe fn become_program(program: &ProgramSpec<'_>, vectors: &Vectors, report: &Report) -> ! {
    let ProgramSpec { bounding, permitted, .. } = *program;
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        libc::setsid();
        if program.terminal {
            let input = program.stdio[0].as_raw_fd();
            report.check(5, libc::ioctl(input, libc::TIOCSCTTY, 0).into());
        }
        set_descriptors(program, report);
        set_limits(program, report);
        default_signals();
        libc::umask(0o022);
        bound_capabilities(bounding, report);
        if program.no_new_privileges {
            report.check(9, libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into());
        } else {
            // only the privileged may, without giving up on privileges to come
            install_seccomp(program.seccomp, report);
        }
        become_user(program, report);
        die_with_parent(report); // a change of user forgets it
        enter_directory(&program.cwd, report);
        set_capabilities(permitted, report);
        if program.no_new_privileges {
            install_seccomp(program.seccomp, report);
        }
        let mut refused = 0;
        for path in &program.paths {
            libc::execve(path.as_ptr(), vectors.argv.as_ptr(), vectors.env.as_ptr());
            let errno = *libc::__errno_location();
            if refused == 0 || errno != libc::ENOENT && errno != libc::ENOTDIR {
                refused = errno;
            }
        }
        *libc::__errno_location() = if refused == 0 { libc::ENOENT } else { refused };
    }
    report.check(11, -1);
    unreachable_child()
}

fn unreachable_child() -> ! {
    // SAFETY: ends only this process.
    unsafe { libc::_exit(127) }
}

unsafe fn die_with_parent(report: &Report) {
    // SAFETY: no memory is passed.
    report.check(0, unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) }.into());
}

unsafe fn join_cgroups(entries: &Entries, report: &Report) {
    for tasks in &entries.tasks {
        // SAFETY: one byte of static memory.
        report.check(1, unsafe { libc::write(tasks.as_raw_fd(), c"0".as_ptr().cast(), 1) } as i64);
    }
}

unsafe fn mount_own(plan: &InitPlan<'_>, report: &Report) {
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

unsafe fn set_descriptors(plan: &ProgramSpec<'_>, report: &Report) {
    let mut next: RawFd = 0;
    for fd in plan.stdio.iter().chain(plan.assign.iter()) {
        // SAFETY: no memory is passed.
        report.check(5, unsafe { libc::dup2(fd.as_raw_fd(), next) }.into());
        next += 1;
    }
    // SAFETY: as above.
    unsafe { close_from(next, report) };
}

unsafe fn close_from(first: RawFd, report: &Report) {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: no memory is passed.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    report.check(5, result);
}

unsafe fn set_limits(program: &ProgramSpec<'_>, report: &Report) {
    for (resource, soft, hard) in &program.rlimits {
        let limit = libc::rlimit { rlim_cur: *soft, rlim_max: *hard };
        // SAFETY: the struct is only read.
        report.check(6, unsafe { libc::setrlimit(*resource as _, &limit) }.into());
    }
}

unsafe fn default_signals() {
    // SAFETY: resets one disposition and the mask of this process.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

unsafe fn become_user(program: &ProgramSpec<'_>, report: &Report) {
    let ProgramSpec { user, groups, .. } = program;
    // the C library's own functions would change all threads of the helper
    // SAFETY: the list of groups is as long as told.
    unsafe {
        report.check(7, libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()));
        report.check(7, libc::syscall(libc::SYS_setresgid, user.gid, user.gid, user.gid));
        report.check(7, libc::syscall(libc::SYS_setresuid, user.uid, user.uid, user.uid));
    }
}

unsafe fn enter_directory(cwd: &CStr, report: &Report) {
    let mut path = [0u8; 4096];
    // SAFETY: the buffer is as long as told.
    unsafe {
        report.check(8, libc::chdir(cwd.as_ptr()).into());
        // the system call, not the C library: that would search for what is unreachable
        report.check(8, libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()));
        if path[0] != b'/' {
            *libc::__errno_location() = libc::ENOENT;
            report.check(8, -1);
        }
    }
}

unsafe fn bound_capabilities(kept: u64, report: &Report) {
    for number in 0..CAPABILITIES {
        if kept & (1 << number) != 0 {
            continue;
        }
        // SAFETY: no memory is passed.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, u64::from(number), 0, 0, 0) };
        if result < 0 {
            // SAFETY: errno is thread-local.
            if unsafe { *libc::__errno_location() } == libc::EINVAL {
                break; // past the last one that this kernel knows
            }
            report.check(9, -1);
        }
    }
}

unsafe fn set_capabilities(kept: u64, report: &Report) {
    let header = [0x2008_0522_u32, 0]; // version 3, this process
    let (low, high) = (kept as u32, (kept >> 32) as u32);
    let sets = [low, low, 0, high, high, 0]; // effective, permitted, inheritable; twice
    // SAFETY: header and sets have the layout of version 3.
    unsafe {
        let prctl = libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        report.check(9, prctl.into());
        report.check(9, libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()));
    }
}

unsafe fn install_seccomp(programs: &Programs, report: &Report) {
    // the one installed last is asked first
    for program in [&programs.allow, &programs.deny] {
        let program = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_ptr().cast_mut().cast(),
        };
        // SAFETY: the program outlives the call; the kernel copies and checks it.
        let result = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
        };
        report.check(10, result);
    }
}
