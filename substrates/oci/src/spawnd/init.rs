//! The first process of every sandbox: a program of a few bytes that waits for ever.
//!
//! As process 1 it ignores what is not `SIGKILL`, and since it ignores `SIGCHLD` the kernel
//! reaps whatever its sandbox leaves behind. So the programs of a sandbox are ordinary
//! processes: they can end themselves by a signal, and need not reap strangers.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

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
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

const LOAD_AT: u64 = 0x40_0000;
const HEADERS_BYTES: u64 = 64 + 56;

/// The program as a sealed file in memory.
pub(super) fn program() -> io::Result<OwnedFd> {
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let size = HEADERS_BYTES + CODE.len() as u64;
    put(&mut elf, &[(2, 2), (u64::from(MACHINE), 2), (1, 4), (LOAD_AT + HEADERS_BYTES, 8)]);
    put(&mut elf, &[(64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2), (64, 2), (0, 2), (0, 2)]);
    // one segment: load, read and execute
    put(&mut elf, &[(1, 4), (5, 4), (0, 8), (LOAD_AT, 8), (LOAD_AT, 8)]);
    put(&mut elf, &[(size, 8), (size, 8), (0x1000, 8)]);
    elf.extend_from_slice(CODE);

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("init", flags)?);
    file.write_all(&elf)?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    // a file open for writing cannot be run: open it again
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    Ok(File::open(path)?.into())
}

fn put(elf: &mut Vec<u8>, fields: &[(u64, usize)]) {
    for (value, length) in fields {
        elf.extend_from_slice(&value.to_le_bytes()[..*length]);
    }
}
