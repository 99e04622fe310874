//! The first process of every sandbox: a program of a few bytes that waits for ever.
//!
//! As process 1 it ignores what is not `SIGKILL`, and since it ignores `SIGCHLD` the kernel
//! reaps whatever its sandbox leaves behind. So the programs of a sandbox are ordinary
//! processes: they can end themselves by a signal, and need not reap strangers.

use std::io;
use std::os::fd::OwnedFd;

use super::tiny;

/// `loop: pause(); goto loop`.
#[cfg(target_arch = "x86_64")]
const CODE: &[u8] = &[
    0xb8, 34, 0, 0, 0, // mov eax, 34 (pause)
    0x0f, 0x05, // syscall
    0xeb, 0xf7, // jmp to the start
];
/// `loop: ppoll(NULL, 0, NULL, NULL, 0); goto loop`.
#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &[
    0x00, 0x00, 0x80, 0xd2, // mov x0, 0
    0x01, 0x00, 0x80, 0xd2, // mov x1, 0
    0x02, 0x00, 0x80, 0xd2, // mov x2, 0
    0x03, 0x00, 0x80, 0xd2, // mov x3, 0
    0x04, 0x00, 0x80, 0xd2, // mov x4, 0
    0x28, 0x09, 0x80, 0xd2, // mov x8, 73 (ppoll)
    0x01, 0x00, 0x00, 0xd4, // svc 0
    0xf9, 0xff, 0xff, 0x17, // b to the start
];

/// The program, which all sandboxes share.
pub(super) fn program() -> io::Result<OwnedFd> {
    tiny::of_all("init", CODE)
}
