//! `clone3` with a function for the child to run: shares the helper's memory until it execs,
//! as vfork does, so a child costs the same however large its parent.

use std::arch::asm;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;

use crate::sys;

/// Stack of a child between clone and exec.
const STACK_BYTES: usize = 128 << 10;

/// Flags that only `clone3` has.
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// The kernel's `struct clone_args`, as far as version 2.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// A child, by pid and pidfd.
pub(super) struct Child {
    pub(super) pid: u32,
    pub(super) pidfd: OwnedFd,
}

/// Where the kernel puts a child's pidfd before the child runs: its maker stands still until it has
/// become what it shall, and others may end it meanwhile.
pub(super) struct Unborn {
    pidfd: AtomicI32,
    /// Held while the descriptor is used, or changes hands.
    using: Mutex<()>,
}

impl Default for Unborn {
    fn default() -> Self {
        Self { pidfd: AtomicI32::new(NOBODY), using: Mutex::new(()) }
    }
}

/// No descriptor has this number.
const NOBODY: RawFd = -1;

impl Unborn {
    /// Ends the child, if there is one.
    pub(super) fn kill(&self) {
        let _using = self.using.lock();
        let pidfd = self.pidfd.load(Ordering::SeqCst);
        if pidfd != NOBODY {
            // SAFETY: it is open until its maker takes it, which waits for us.
            let pidfd = unsafe { BorrowedFd::borrow_raw(pidfd) };
            let _ = sys::send_signal(pidfd, libc::SIGKILL);
        }
    }

    fn take(&self) -> RawFd {
        let _using = self.using.lock();
        self.pidfd.swap(NOBODY, Ordering::SeqCst)
    }
}

/// Runs `entry(argument)` in a new process and returns when that has called exec or `_exit`.
///
/// # Safety
/// `entry` must never return or unwind, must not allocate and must not take locks: it runs on
/// memory shared with this process, whose calling thread stands still meanwhile.
pub(super) unsafe fn spawn(
    namespaces: i32,
    cgroup: Option<BorrowedFd<'_>>,
    entry: unsafe extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
    unborn: &Unborn,
) -> io::Result<Child> {
    let mut stack = Vec::<u8>::with_capacity(STACK_BYTES);
    let base = (stack.as_mut_ptr() as u64).next_multiple_of(16);
    let mut args = CloneArgs {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | namespaces) as u64,
        pidfd: unborn.pidfd.as_ptr() as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: base,
        stack_size: (STACK_BYTES as u64 - 16) & !15,
        ..CloneArgs::default()
    };
    args.flags |= CLONE_CLEAR_SIGHAND;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the arguments live until the call returns, which is after the child has left the
    // shared memory; the child runs on its own stack and never returns into this function.
    let result = unsafe { clone3(&args, entry, argument) };
    drop(stack);
    let pidfd = unborn.take();
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result as i32));
    }
    // SAFETY: the kernel has just made this descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid: result as u32, pidfd })
}

#[cfg(target_arch = "x86_64")]
unsafe fn clone3(
    args: &CloneArgs,
    entry: unsafe extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
) -> i64 {
    let result: i64;
    // SAFETY: see `spawn`. The child begins with rsp at the top of its own stack.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") args,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") argument,
            in("r13") entry,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
unsafe fn clone3(
    args: &CloneArgs,
    entry: unsafe extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
) -> i64 {
    let result: i64;
    // SAFETY: see `spawn`. The child begins with sp at the top of its own stack.
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, {argument}",
            "blr {entry}",
            "brk #1",
            "2:",
            inlateout("x0") args as *const CloneArgs as i64 => result,
            in("x1") size_of::<CloneArgs>(),
            in("x8") libc::SYS_clone3,
            argument = in(reg) argument,
            entry = in(reg) entry,
        );
    }
    result
}
