//! Programs that join a container where others run, which may look at all that is in there with
//! them, and hold it up. So what shares the helper's memory stays outside: it takes off what the
//! program shall not have, and becomes a program of a few bytes (see [`entrant`]) before anything
//! is in sight. Whoever wants to know how it went on hears of it.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::program::{close_from, place_descriptors, take_off};
use super::{
    Child, ChildError, Entry, ProgramPlan, Report, STAGES, Unborn, become_file, entrant,
    join_users, start, unreachable_child,
};

struct Frame<'a> {
    plan: &'a ProgramPlan<'a>,
    telling: RawFd,
    entrant: BorrowedFd<'a>,
    report: &'a Report,
}

/// What goes into a container.
pub(in crate::spawnd) struct Entering {
    /// The one that stays outside.
    pub(in crate::spawnd) outside: Child,
    /// What is told, with who tells it.
    pub(in crate::spawnd) told: OwnedFd,
}

/// Sends a program into a container where programs run.
pub(in crate::spawnd) fn join_program(plan: &ProgramPlan<'_>) -> Result<Entering, ChildError> {
    let failed = |error| ChildError { stage: STAGES[0], error };
    let (told, telling) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|error| failed(error.into()))?;
    set_socket_passcred(&told, true).map_err(|error| failed(error.into()))?;
    rustix::io::ioctl_fionbio(&told, true).map_err(|error| failed(error.into()))?;
    let entrant = entrant::program(plan, telling.as_fd()).map_err(failed)?;
    let report = Report::default();
    let (entrant, telling) = (entrant.as_fd(), telling.as_raw_fd());
    let frame = Frame { plan, telling, entrant, report: &report };
    let frame = (entry as Entry, (&raw const frame).cast());
    let outside = start(0, plan.entries, &report, frame, &Unborn::default())?;
    Ok(Entering { outside, told })
}

unsafe extern "C" fn entry(frame: *const c_void) -> ! {
    // SAFETY: `join_program` passes this type, and it outlives us.
    let Frame { plan, telling, entrant, report } = unsafe { &*frame.cast::<Frame<'_>>() };
    // SAFETY: system calls on arguments that live in the frame.
    unsafe {
        let namespaces = libc::CLONE_NEWNS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWPID; // for its children: it is not in sight itself
        report.check(2, libc::setns(plan.init.as_raw_fd(), namespaces).into());
        join_users(plan.users, report);
        let next = place_descriptors(&plan.program, report);
        close_from(next, report);
        keep(*telling, report);
        for group in &plan.entries.tasks {
            keep(group.as_raw_fd(), report);
        }
        take_off(&plan.program, report);
        become_file(entrant.as_raw_fd(), c"exec");
    }
    report.check(11, -1);
    unreachable_child()
}

/// Leaves a descriptor to what this becomes.
unsafe fn keep(descriptor: RawFd, report: &Report) {
    // SAFETY: no memory is passed.
    report.check(5, unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) }.into());
}
