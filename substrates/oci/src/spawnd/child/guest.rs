//! Programs that join a container where others run, which may look at all that is in there with
//! them. So what shares the helper's memory stays outside: it takes off what the program shall
//! not have, and only then makes the program's process, with a copy of that memory and none of
//! the helper's descriptors, which at once becomes the program.

use std::ffi::c_void;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

use super::program::{execute, lead_session, place_descriptors, take_off};
use super::{
    Child, ChildError, ProgramPlan, Report, STAGES, Vectors, die_with_parent, join_cgroups,
    join_users, start, unreachable_child,
};
use crate::sys;

/// Where the program's process tells why there is no program; closed by exec.
const ERRORS: RawFd = 3;

struct Frame<'a> {
    plan: &'a ProgramPlan<'a>,
    vectors: Vectors,
    errors: RawFd,
    /// The program's process.
    pid: AtomicU32,
    report: &'a Report,
}

/// Starts a program in a container where programs run.
pub(in crate::spawnd) fn join_program(plan: &ProgramPlan<'_>) -> Result<Child, ChildError> {
    let failed = |error| ChildError { stage: STAGES[0], error };
    let (told, errors) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let errors = sys::dup_high(errors).map_err(failed)?;
    let report = Report::default();
    let frame = Frame {
        plan,
        vectors: Vectors::of(&plan.program),
        errors: errors.as_raw_fd(),
        pid: AtomicU32::new(0),
        report: &report,
    };
    let outside = start(0, plan.entries, &report, entry, (&raw const frame).cast())?;
    drop(errors);
    sys::reap_now(outside.pidfd.as_fd()).map_err(failed)?;
    let pid = frame.pid.load(Ordering::SeqCst);
    // our own child: the number is its until we have waited for it
    let pidfd = sys::pidfd_of(pid).map_err(failed)?;
    match first_word(told) {
        None => Ok(Child { pid, pidfd }),
        Some(errno) => {
            sys::reap_now(pidfd.as_fd()).map_err(failed)?;
            let error = io::Error::from_raw_os_error(errno);
            Err(ChildError { stage: STAGES[STAGES.len() - 1], error })
        }
    }
}

/// What was told before the other end was closed.
fn first_word(told: OwnedFd) -> Option<i32> {
    let mut word = [0; 4];
    std::fs::File::from(told).read_exact(&mut word).ok()?;
    Some(i32::from_ne_bytes(word))
}

unsafe extern "C" fn entry(frame: *const c_void) -> ! {
    // SAFETY: `join_program` passes this type, and it outlives us.
    let frame = unsafe { &*frame.cast::<Frame<'_>>() };
    let (plan, report) = (frame.plan, frame.report);
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        join_cgroups(plan.entries, report);
        let namespaces = libc::CLONE_NEWNS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWPID; // for its children: it is not in sight itself
        report.check(2, libc::setns(plan.init.as_raw_fd(), namespaces).into());
        join_users(plan.users, report);
        place_descriptors(&plan.program, report);
        report.check(5, libc::dup2(frame.errors, ERRORS).into());
        report.check(5, libc::fcntl(ERRORS, libc::F_SETFD, libc::FD_CLOEXEC).into());
        report.check(5, libc::syscall(libc::SYS_close_range, ERRORS + 1, u32::MAX, 0));
        take_off(&plan.program, report);
        // the helper's child as this is, so that the helper hears of its end
        let flags = (libc::CLONE_PARENT | libc::SIGCHLD) as u64;
        let none = ptr::null_mut::<c_void>();
        let pid = libc::syscall(libc::SYS_clone, flags, none, none, none, none);
        if pid == 0 {
            run(frame);
        }
        report.check(11, pid);
        frame.pid.store(pid as u32, Ordering::SeqCst);
        libc::_exit(0)
    }
}

/// Becomes the program. From here on memory is a copy: only the pipe leads to the helper.
unsafe fn run(frame: &Frame<'_>) -> ! {
    let own = Report::telling(ERRORS);
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        lead_session(&frame.plan.program, &own);
        die_with_parent(&own);
        execute(&frame.plan.program, &frame.vectors);
    }
    own.check(11, -1);
    unreachable_child()
}
