//! What a child does between clone and exec: the first process of a sandbox, which sets up the
//! namespaces and then only waits, and the processes that join it.
//!
//! **Invariant:** nothing here allocates, locks, panics or touches what is not in its plan: the
//! memory is the helper's own until exec.

mod entrant;
mod guest;
mod mounts;
mod program;

use std::ffi::{CStr, CString, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use haar_substrate::User;

use super::clone::{self, Child, Unborn};
use super::seccomp::Program;
use crate::cgroup::Entries;
pub(super) use guest::{Entering, join_program};
use mounts::{mount_container, mount_own, move_tree};
use program::{become_program, bound_capabilities, close_from, set_capabilities};

/// Bits that the kernel may know; the bounding set refuses those it does not.
const CAPABILITIES: u32 = 64;

/// What a child was doing when it failed; written by it, read by its parent.
#[derive(Default)]
struct Report {
    stage: AtomicU8,
    errno: AtomicI32,
}

/// Stages in order; the number is the index of the words.
const STAGES: [&str; 13] = [
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
    "set a kernel parameter",
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
    /// Its own users.
    pub(super) users: Option<BorrowedFd<'a>>,
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
    pub(super) seccomp: &'a Program,
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
    /// Hierarchies of control groups to show, read-only: where, and which.
    pub(super) groups: &'a [(CString, CString)],
    /// Options of `/dev/shm`.
    pub(super) shm: &'a CStr,
    /// Kernel parameters of its own: files below `/proc/sys`, and what is written there.
    pub(super) parameters: &'a [(CString, CString)],
    pub(super) hostname: &'a CStr,
    pub(super) entries: &'a Entries,
    /// Users of its own.
    pub(super) users: Option<BorrowedFd<'a>>,
    /// None is the host's own.
    pub(super) network: Option<BorrowedFd<'a>>,
    pub(super) first: First<'a>,
    /// Where others find it while it is none of these yet.
    pub(super) unborn: &'a Unborn,
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
    let frame = (init_entry as Entry, (&raw const frame).cast());
    start(namespaces, plan.entries, &report, frame, &Unborn::default())
}

/// Starts a program in a sandbox where none runs yet: until exec it is in sight there, with the
/// helper's memory (see [`join_program`]). The calling thread must have the sandbox's pid
/// namespace for its children.
pub(super) fn start_program(plan: &ProgramPlan<'_>) -> Result<Child, ChildError> {
    let report = Report::default();
    let vectors = Vectors::of(&plan.program);
    let frame = ProgramFrame { plan, vectors, report: &report };
    let frame = (program_entry as Entry, (&raw const frame).cast());
    start(0, plan.entries, &report, frame, &Unborn::default())
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
    let frame = (container_entry as Entry, (&raw const frame).cast());
    start(namespaces, plan.entries, &report, frame, plan.unborn)
}

/// What a child runs on its frame.
type Entry = unsafe extern "C" fn(*const c_void) -> !;

fn start(
    namespaces: i32,
    entries: &Entries,
    report: &Report,
    (entry, frame): (Entry, *const c_void),
    unborn: &Unborn,
) -> Result<Child, ChildError> {
    let cgroup = entries.directory.as_ref().map(|fd| std::os::fd::AsFd::as_fd(fd));
    // SAFETY: the entries below neither return, allocate nor lock; the frame outlives the call.
    let child = unsafe { clone::spawn(namespaces, cgroup, entry, frame, unborn) }
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
            let errno = if errno == 0 { libc::EIO } else { errno };
            self.stage.store(stage, Ordering::SeqCst);
            self.errno.store(errno, Ordering::SeqCst);
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
    // SAFETY: the name ends in nul.
    unsafe {
        libc::setsid();
        // children that nobody waits for vanish by themselves
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        close_from(0, report);
        bound_capabilities(0, report);
        set_capabilities(0, report);
        report.check(9, libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into());
        become_file(program, c"init");
    }
    report.check(11, -1);
    unreachable_child()
}

/// Becomes the program in an open file; returns when it cannot.
unsafe fn become_file(program: RawFd, name: &CStr) {
    let environment = [ptr::null::<libc::c_char>()];
    let argv = [name.as_ptr(), ptr::null()];
    // SAFETY: the lists end in null.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
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
        join_users(plan.users, report);
        match &plan.first {
            First::Init(program) => wait_for_ever(program.as_raw_fd(), report),
            First::Program(program) => become_program(program, &frame.vectors, report),
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
        join_users(plan.users, report);
        become_program(&plan.program, &frame.vectors, report);
    }
}

fn unreachable_child() -> ! {
    // SAFETY: ends only this process.
    unsafe { libc::_exit(127) }
}

/// Joins users of a sandbox's own, as their root: last of all, for the other namespaces are the
/// host's.
unsafe fn join_users(users: Option<BorrowedFd<'_>>, report: &Report) {
    let Some(users) = users else { return };
    // SAFETY: no memory is passed.
    unsafe {
        report.check(2, libc::setns(users.as_raw_fd(), libc::CLONE_NEWUSER).into());
        report.check(7, libc::syscall(libc::SYS_setresgid, 0, 0, 0));
        report.check(7, libc::syscall(libc::SYS_setresuid, 0, 0, 0));
        die_with_parent(report); // a change of user forgets it
    }
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
