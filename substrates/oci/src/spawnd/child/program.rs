//! What a child does last: it takes off what its program shall not have, and becomes it.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::{CAPABILITIES, ProgramSpec, Report, Vectors, die_with_parent, unreachable_child};
use crate::spawnd::seccomp::Program;

/// Becomes the program, with what it may do and no more.
pub(super) unsafe fn become_program(
    program: &ProgramSpec<'_>,
    vectors: &Vectors,
    report: &Report,
) -> ! {
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        set_descriptors(program, report);
        lead_session(program, report);
        take_off(program, report);
        execute(program, vectors);
    }
    report.check(11, -1);
    unreachable_child()
}

/// Leads a session, with the terminal that is its input.
unsafe fn lead_session(program: &ProgramSpec<'_>, report: &Report) {
    // SAFETY: no memory is passed.
    unsafe {
        libc::setsid();
        if program.terminal {
            report.check(5, libc::ioctl(0, libc::TIOCSCTTY, 0).into());
        }
    }
}

/// Takes off what the program shall not have.
pub(super) unsafe fn take_off(program: &ProgramSpec<'_>, report: &Report) {
    let ProgramSpec { bounding, permitted, .. } = *program;
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
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
    }
}

/// Becomes the first of its paths that can be run; else leaves in `errno` why none can.
unsafe fn execute(program: &ProgramSpec<'_>, vectors: &Vectors) {
    let mut refused = 0;
    // SAFETY: the lists end in null, and all strings in nul.
    unsafe {
        for path in &program.paths {
            libc::execve(path.as_ptr(), vectors.argv.as_ptr(), vectors.env.as_ptr());
            let errno = *libc::__errno_location();
            if refused == 0 || errno != libc::ENOENT && errno != libc::ENOTDIR {
                refused = errno;
            }
        }
        *libc::__errno_location() = if refused == 0 { libc::ENOENT } else { refused };
    }
}

unsafe fn set_descriptors(plan: &ProgramSpec<'_>, report: &Report) {
    // SAFETY: no memory is passed.
    unsafe {
        let next = place_descriptors(plan, report);
        close_from(next, report);
    }
}

/// Gives descriptors the numbers that the program knows them by; answers the next number.
pub(super) unsafe fn place_descriptors(plan: &ProgramSpec<'_>, report: &Report) -> RawFd {
    let mut next: RawFd = 0;
    for fd in plan.stdio.iter().chain(plan.assign.iter()) {
        // SAFETY: no memory is passed.
        report.check(5, unsafe { libc::dup2(fd.as_raw_fd(), next) }.into());
        next += 1;
    }
    next
}

pub(super) unsafe fn close_from(first: RawFd, report: &Report) {
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

pub(super) unsafe fn bound_capabilities(kept: u64, report: &Report) {
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

pub(super) unsafe fn set_capabilities(kept: u64, report: &Report) {
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

unsafe fn install_seccomp(program: &Program, report: &Report) {
    let program =
        libc::sock_fprog { len: program.0.len() as u16, filter: program.0.as_ptr().cast_mut() };
    // SAFETY: the program outlives the call; the kernel copies and checks it.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    report.check(10, result);
}
