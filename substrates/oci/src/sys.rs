//! System calls that neither std nor rustix offers, as functions.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use haar_substrate::TerminalSize;

/// The call's result, or what it left in `errno`.
pub(crate) fn check(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Takes ownership of a descriptor that a system call has just returned.
pub(crate) fn own(result: i64) -> io::Result<OwnedFd> {
    let raw = check(result)? as RawFd;
    // SAFETY: the kernel made this descriptor for us a moment ago and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Joins the calling thread to the namespaces of the process behind a pidfd.
pub(crate) fn setns(pidfd: BorrowedFd<'_>, flags: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::setns(pidfd.as_raw_fd(), flags) }.into()).map(drop)
}

/// Gives the calling thread a working directory and root of its own, so that it may change its
/// mount namespace.
pub(crate) fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// Has a socket hear only of what comes in by this interface.
pub(crate) fn bind_to_device(socket: impl AsFd, interface: &str) -> io::Result<()> {
    let (raw, name) = (socket.as_fd().as_raw_fd(), interface.as_bytes());
    // SAFETY: the name is as long as it is said to be.
    let result = unsafe {
        let length = name.len() as libc::socklen_t;
        let name = name.as_ptr().cast();
        libc::setsockopt(raw, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name, length)
    };
    check(result.into()).map(drop)
}

/// A pidfd of this process.
pub(crate) fn own_pidfd() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    own(unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) })
}

/// A pidfd of a child.
pub(crate) fn pidfd_of(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    own(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Sends a signal; a process that is gone already is no error.
pub(crate) fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: a null siginfo is allowed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<()>(),
            0,
        )
    };
    match check(result) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.map(drop),
    }
}

/// How a child ended: its exit code or the signal.
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
}

/// Reaps the child behind a pidfd; `None` while it lives.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Option<Ended>> {
    // SAFETY: an all-zero siginfo is valid, and the kernel fills it.
    let info = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = pidfd.as_raw_fd() as libc::id_t;
        check(libc::waitid(libc::P_PIDFD, id, &mut info, libc::WEXITED | libc::WNOHANG).into())?;
        info
    };
    // SAFETY: waitid fills these members, or leaves them zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let ended =
        if info.si_code == libc::CLD_EXITED { Ended::Code(status) } else { Ended::Signal(status) };
    Ok(Some(ended))
}

/// Waits for a child that has just been killed, and reaps it.
pub(crate) fn reap_now(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: an all-zero siginfo is valid, and the kernel fills it.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = pidfd.as_raw_fd() as libc::id_t;
        check(libc::waitid(libc::P_PIDFD, id, &mut info, libc::WEXITED).into()).map(drop)
    }
}

/// Receives one message from a socket that tells its senders' numbers: how long it is, and who sent
/// it; nobody has at its end. Descriptors that come along are dropped.
pub(crate) fn receive_from(socket: impl AsFd, word: &mut [u8]) -> io::Result<(usize, Option<u32>)> {
    const SPACE: usize = 64;
    #[repr(C, align(8))]
    struct Control([u8; SPACE]);
    let mut control = Control([0; SPACE]);
    let mut part = libc::iovec { iov_base: word.as_mut_ptr().cast(), iov_len: word.len() };
    // SAFETY: an all-zero header is valid; all that it points to outlives the call, and the kernel
    // says by its lengths what of that it has filled.
    unsafe {
        let length = libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) as usize;
        debug_assert!(length <= SPACE);
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = length as _;
        let raw = socket.as_fd().as_raw_fd();
        let count = check(libc::recvmsg(raw, &raw mut header, libc::MSG_CMSG_CLOEXEC) as i64)?;
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        let is_sender = !first.is_null()
            && (*first).cmsg_level == libc::SOL_SOCKET
            && (*first).cmsg_type == libc::SCM_CREDENTIALS
            && (*first).cmsg_len as usize
                >= libc::CMSG_LEN(size_of::<libc::ucred>() as u32) as usize;
        let sender = is_sender.then(|| {
            let sender = libc::CMSG_DATA(first).cast::<libc::ucred>().read_unaligned();
            sender.pid as u32
        });
        Ok((count as usize, sender))
    }
}

/// Sets attributes of a mount tree.
pub(crate) fn mount_setattr(fd: BorrowedFd<'_>, set: u64, propagation: u64) -> io::Result<()> {
    set_attributes(fd, [set, 0, propagation, 0])
}

/// Shows the files of a mount tree that nobody else has yet as their owners are in a user
/// namespace.
pub(crate) fn map_owners(fd: BorrowedFd<'_>, users: BorrowedFd<'_>) -> io::Result<()> {
    set_attributes(fd, [libc::MOUNT_ATTR_IDMAP, 0, 0, users.as_raw_fd() as u64])
}

fn set_attributes(fd: BorrowedFd<'_>, attr: [u64; 4]) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: `attr` has the layout and size of the kernel's `struct mount_attr`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            attr.as_ptr(),
            size_of_val(&attr),
        )
    };
    check(result).map(drop)
}

/// Makes a device node.
pub(crate) fn mknod(path: &CStr, mode: u32, major: u32, minor: u32) -> io::Result<()> {
    // SAFETY: the path ends in nul.
    check(unsafe { libc::mknod(path.as_ptr(), mode, libc::makedev(major, minor)) }.into())?;
    // SAFETY: as above; the file mode mask has no say here.
    check(unsafe { libc::chmod(path.as_ptr(), mode & 0o7777) }.into()).map(drop)
}

/// A duplicate whose number is high enough not to be in the way of 0 to 3.
pub(crate) fn dup_high(fd: impl AsFd) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    own(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10) }.into())
}

/// Closes every descriptor but these, given in ascending order: what a careless parent left open.
pub(crate) fn close_all_but(kept: &[RawFd]) -> io::Result<()> {
    let mut from = 0;
    for keep in kept.iter().copied().chain([RawFd::MAX]) {
        if from < keep {
            // SAFETY: nothing in this process, which has just begun, owns these.
            check(unsafe { libc::syscall(libc::SYS_close_range, from, keep - 1, 0) })?;
        }
        from = keep.saturating_add(1);
    }
    Ok(())
}

/// Sets a terminal's size.
pub(crate) fn set_terminal_size(terminal: impl AsFd, size: TerminalSize) -> io::Result<()> {
    let (ws_row, ws_col) = (size.rows, size.columns);
    let size = libc::winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    let raw = terminal.as_fd().as_raw_fd();
    // SAFETY: the struct is only read.
    check(unsafe { libc::ioctl(raw, libc::TIOCSWINSZ, &raw const size) }.into()).map(drop)
}

/// Sets a process attribute that takes one number.
pub(crate) fn prctl(option: i32, value: u64) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::prctl(option, value, 0, 0, 0) }.into()).map(drop)
}

/// The soft and hard limit of open files.
pub(crate) fn open_files_limit() -> (u64, u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills the struct.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    (limit.rlim_cur, limit.rlim_max)
}

/// Raises the soft limit of open files to the hard one.
pub(crate) fn raise_open_files() {
    let (_, hard) = open_files_limit();
    let limit = libc::rlimit { rlim_cur: hard, rlim_max: hard };
    // SAFETY: the struct is read only. Failure leaves the limit as it was.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
}
