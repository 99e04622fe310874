//! Programs of the kernel's: how they are written down and loaded.

use std::io;
use std::os::fd::OwnedFd;

use crate::sys;

const PROG_LOAD: i32 = 5;

/// Loads 32 bits of memory.
pub(crate) const LOAD: u8 = 0x61;
/// Copies a register.
pub(crate) const MOVE: u8 = 0xbf;
/// Sets a register to a number.
pub(crate) const SET: u8 = 0xb7;
/// Jumps.
pub(crate) const JUMP: u8 = 0x05;
/// Jumps where 32 bits differ from the number.
pub(crate) const UNLESS: u8 = 0x56;
/// Ends the program.
pub(crate) const END: u8 = 0x95;

/// The kernel's `union bpf_attr`, filled from its beginning.
#[derive(Default)]
pub(crate) struct Attributes {
    bytes: Vec<u8>,
}

impl Attributes {
    pub(crate) fn number(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_ne_bytes());
    }

    pub(crate) fn pointer<T>(&mut self, pointer: *const T) {
        self.bytes.extend_from_slice(&(pointer as u64).to_ne_bytes());
    }
}

pub(crate) fn bpf(command: i32, attributes: &Attributes) -> io::Result<i64> {
    let bytes = &attributes.bytes;
    // SAFETY: the kernel reads as many bytes as are told; what they point to outlives the call.
    sys::check(unsafe { libc::syscall(libc::SYS_bpf, command, bytes.as_ptr(), bytes.len()) })
}

/// Loads a program of a kind, for a place.
pub(crate) fn load(kind: u32, program: &[u64], place: u32) -> io::Result<OwnedFd> {
    let mut attributes = Attributes::default();
    attributes.number(kind);
    attributes.number(program.len() as u32);
    attributes.pointer(program.as_ptr());
    attributes.pointer(c"Apache-2.0".as_ptr());
    // no log, no kernel version, no flags, no name, no interface
    for _ in 0..11 {
        attributes.number(0);
    }
    attributes.number(place);
    sys::own(bpf(PROG_LOAD, &attributes)?)
}

/// One instruction: operation, registers `to` and `from`, offset, number.
pub(crate) fn op(operation: u8, (to, from): (u8, u8), offset: i16, number: i32) -> u64 {
    u64::from(operation)
        | u64::from(to | from << 4) << 8
        | u64::from(offset as u16) << 16
        | u64::from(number as u32) << 32
}
