//! Programs of a few bytes, as files that containers may find behind their processes: nothing of
//! the host is to be found there.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};

use super::rootfs;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

const LOAD_AT: u64 = 0x40_0000;
const HEADERS_BYTES: u64 = 64 + 56;

/// Where a program's body begins in its memory, and it with that.
pub(super) const BODY_AT: u64 = LOAD_AT + HEADERS_BYTES;

/// A program's file: one segment, to be read and run.
fn elf(body: &[u8]) -> Vec<u8> {
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let size = HEADERS_BYTES + body.len() as u64;
    put(&mut elf, &[(2, 2), (u64::from(MACHINE), 2), (1, 4), (BODY_AT, 8)]);
    put(&mut elf, &[(64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2), (64, 2), (0, 2), (0, 2)]);
    put(&mut elf, &[(1, 4), (5, 4), (0, 8), (LOAD_AT, 8), (LOAD_AT, 8)]);
    put(&mut elf, &[(size, 8), (size, 8), (0x1000, 8)]);
    elf.extend_from_slice(body);
    elf
}

fn put(elf: &mut Vec<u8>, fields: &[(u64, usize)]) {
    for (value, length) in fields {
        elf.extend_from_slice(&value.to_le_bytes()[..*length]);
    }
}

/// A program for one container: a sealed file in memory.
pub(super) fn of_one(name: &str, body: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // from Linux 6.3 on it has to be said that it is to be run
    let made = match memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(rustix::io::Errno::INVAL) => memfd_create(name, flags),
        made => made,
    };
    let mut file = File::from(made?);
    file.write_all(&elf(body))?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    // a file open for writing cannot be run: open it again
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(File::open(path)?.into())
}

/// A program for all containers: a file on a mount that nobody can write to, not even its mode.
pub(super) fn of_all(name: &str, body: &[u8]) -> io::Result<OwnedFd> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "size", "64k")?;
    fsconfig_set_string(&fs, "mode", "755")?;
    fsconfig_create(&fs)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mount = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(openat(&mount, name, write, Mode::from_raw_mode(0o555))?);
    file.write_all(&elf(body))?;
    drop(file);
    rootfs::seal(&mount)?;
    Ok(openat(&mount, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}
