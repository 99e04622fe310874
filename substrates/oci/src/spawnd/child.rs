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

/// Docker's capabilities without those that reach past a sandbox (raw sockets, device nodes,
/// the audit log).
const CAPABILITIES_KEPT: u64 = bit(0) // chown
    | bit(1) // dac_override
    | bit(3) // fowner
    | bit(4) // fsetid
    | bit(5) // kill
    | bit(6) // setgid
    | bit(7) // setuid
    | bit(8) // setpcap
    | bit(10) // net_bind_service
    | bit(18) // sys_chroot
    | bit(31); // setfcap
/// Bits that the kernel may know; the bounding set refuses those it does not.
const CAPABILITIES: u32 = 64;

const fn bit(number: u32) -> u64 {
    1 << number
}

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
    /// To become 0, 1, 2 and perhaps 3; all above 9.
    pub(super) stdio: [BorrowedFd<'a>; 3],
    pub(super) assign: Option<BorrowedFd<'a>>,
    pub(super) argv: Vec<CString>,
    pub(super) env: Vec<CString>,
    pub(super) cwd: CString,
    pub(super) user: User,
    pub(super) open_files: u64,
    pub(super) seccomp: &'a Programs,
}

struct InitFrame<'a> {
    plan: &'a InitPlan<'a>,
    report: &'a Report,
}

struct ProgramFrame<'a> {
    plan: &'a ProgramPlan<'a>,
    argv: &'a [*const libc::c_char],
    env: &'a [*const libc::c_char],
    report: &'a Report,
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
    let pointers = |strings: &[CString]| {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
    };
    let (argv, env) = (pointers(&plan.argv), pointers(&plan.env));
    let report = Report::default();
    let frame = ProgramFrame { plan, argv: &argv, env: &env, report: &report };
    start(0, plan.entries, &report, program_entry, (&raw const frame).cast())
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
    let environment = [ptr::null::<libc::c_char>()];
    let argv = [c"init".as_ptr(), ptr::null()];
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        die_with_parent(report);
        join_cgroups(plan.entries, report);
        if let Some(other) = &plan.network_of {
            report.check(2, libc::setns(other.as_raw_fd(), libc::CLONE_NEWNET).into());
        }
        report.check(1, libc::unshare(libc::CLONE_NEWCGROUP).into());
        report.check(3, libc::chdir(plan.root.as_ptr()).into());
        report.check(3, libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()));
        report.check(3, libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into());
        report.check(3, libc::chdir(c"/".as_ptr()).into());
        mount_own(plan, report);
        report.check(4, libc::sethostname(c"sandbox".as_ptr(), 7).into());
        libc::setsid();
        // children that nobody waits for vanish by themselves
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        close_from(0, report);
        drop_capabilities(0, report);
        libc::syscall(
            libc::SYS_execveat,
            plan.program.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    report.check(11, -1);
    unreachable_child()
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
        libc::setsid();
        set_descriptors(plan, report);
        set_limits(plan, report);
        default_signals();
        libc::umask(0o022);
        let kept = if plan.user.uid == 0 { CAPABILITIES_KEPT } else { 0 };
        bound_capabilities(kept, report);
        become_user(plan.user, report);
        die_with_parent(report); // a change of user forgets it
        enter_directory(&plan.cwd, report);
        set_capabilities(kept, report);
        install_seccomp(plan.seccomp, report);
        libc::execve(frame.argv[0], frame.argv.as_ptr(), frame.env.as_ptr());
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

unsafe fn set_descriptors(plan: &ProgramPlan<'_>, report: &Report) {
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

unsafe fn set_limits(plan: &ProgramPlan<'_>, report: &Report) {
    let files = libc::rlimit { rlim_cur: plan.open_files, rlim_max: plan.open_files };
    let core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structs are only read.
    unsafe {
        report.check(6, libc::setrlimit(libc::RLIMIT_NOFILE, &files).into());
        report.check(6, libc::setrlimit(libc::RLIMIT_CORE, &core).into());
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

unsafe fn become_user(user: User, report: &Report) {
    // the C library's own functions would change all threads of the helper
    // SAFETY: no memory is passed but an empty list.
    unsafe {
        report.check(7, libc::syscall(libc::SYS_setgroups, 0, ptr::null::<libc::gid_t>()));
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

unsafe fn drop_capabilities(kept: u64, report: &Report) {
    // SAFETY: as the functions called.
    unsafe {
        bound_capabilities(kept, report);
        set_capabilities(kept, report);
    }
}

unsafe fn bound_capabilities(kept: u64, report: &Report) {
    for number in 0..CAPABILITIES {
        if kept & bit(number) != 0 {
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
        report.check(9, libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into());
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
