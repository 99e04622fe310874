//! Sockets inside a sandbox that take no port from its programs.
//!
//! Such a socket listens out of the way. A program of the kernel's (`sk_lookup`), attached to the
//! sandbox's network, hands it each connection from inside to the address that it stands for.
//! Whoever listens there, or on all addresses of that port, does not notice, and is reached from
//! outside as ever. One more may stand for all addresses that are not there: the way out.

use std::io;
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use haar_substrate::OUTSIDE;

use crate::bpf::{self, Attributes, END, JUMP, LOAD, MOVE, SET, UNLESS, bpf, op};
use crate::sys;

const BPF_MAP_CREATE: i32 = 0;
const BPF_MAP_UPDATE_ELEM: i32 = 2;
const BPF_LINK_CREATE: i32 = 28;
const BPF_MAP_TYPE_SOCKMAP: u32 = 15;
const BPF_PROG_TYPE_SK_LOOKUP: u32 = 30;
const BPF_SK_LOOKUP: u32 = 36;
const FUNC_MAP_LOOKUP_ELEM: i32 = 1;
const FUNC_SK_RELEASE: i32 = 86;
const FUNC_SK_ASSIGN: i32 = 124;
const SK_PASS: i32 = 1;
/// Fields of `struct bpf_sk_lookup`.
const FAMILY: i16 = 8;
const PROTOCOL: i16 = 12;
const LOCAL_ADDRESS: i16 = 40;
const LOCAL_PORT: i16 = 60;
const ARRIVED_AT: i16 = 64;
/// The loopback interface, in every network.
pub(crate) const LOOPBACK: i32 = 1;

/// Connections are steered for as long as this is there.
pub(crate) struct Steering {
    _link: OwnedFd,
    map: OwnedFd,
    addresses: Vec<SocketAddrV4>,
}

/// This kernel can do it, and lets us.
pub(crate) fn is_possible() -> bool {
    let nothing = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 1);
    cfg!(target_endian = "little")
        && make_map(1).and_then(|map| load(&program(&[nothing], &map))).is_ok()
}

/// Has the sockets answer for these addresses, in the network of the calling thread.
pub(crate) fn steer(sockets: &[(SocketAddrV4, TcpListener)]) -> io::Result<Steering> {
    let map = make_map(sockets.len() as u32)?;
    for (number, (_, listener)) in sockets.iter().enumerate() {
        put(&map, number as u32, listener)?;
    }
    let addresses: Vec<_> = sockets.iter().map(|(address, _)| *address).collect();
    let program = load(&program(&addresses, &map))?;
    let network = std::fs::File::open("/proc/thread-self/ns/net")?;
    let mut attributes = Attributes::default();
    attributes.number(program.as_raw_fd() as u32);
    attributes.number(network.as_raw_fd() as u32);
    attributes.number(BPF_SK_LOOKUP);
    attributes.number(0);
    Ok(Steering { _link: sys::own(bpf(BPF_LINK_CREATE, &attributes)?)?, map, addresses })
}

impl Steering {
    /// Has other sockets of the same network answer for the same addresses: those that did are
    /// closed, which took them out of the map. False: it was made for other addresses.
    pub(crate) fn renew(&self, sockets: &[(SocketAddrV4, TcpListener)]) -> io::Result<bool> {
        if !sockets.iter().map(|(address, _)| address).eq(&self.addresses) {
            return Ok(false);
        }
        for (number, (_, listener)) in sockets.iter().enumerate() {
            put(&self.map, number as u32, listener)?;
        }
        Ok(true)
    }
}

fn load(program: &[u64]) -> io::Result<OwnedFd> {
    bpf::load(BPF_PROG_TYPE_SK_LOOKUP, program, BPF_SK_LOOKUP)
}

fn make_map(entries: u32) -> io::Result<OwnedFd> {
    let mut attributes = Attributes::default();
    for number in [BPF_MAP_TYPE_SOCKMAP, size_of::<u32>() as u32, size_of::<u64>() as u32] {
        attributes.number(number);
    }
    attributes.number(entries.max(1));
    sys::own(bpf(BPF_MAP_CREATE, &attributes)?)
}

fn put(map: &OwnedFd, key: u32, socket: impl AsFd) -> io::Result<()> {
    let value = socket.as_fd().as_raw_fd() as u64;
    let mut attributes = Attributes::default();
    attributes.number(map.as_raw_fd() as u32);
    attributes.number(0);
    attributes.pointer(&raw const key);
    attributes.pointer(&raw const value);
    bpf(BPF_MAP_UPDATE_ELEM, &attributes).map(drop)
}

/// Finds the address's place in the map, and assigns the socket that is there. [`OUTSIDE`] is every
/// address but those of the loopback network.
fn program(addresses: &[SocketAddrV4], map: &OwnedFd) -> Vec<u64> {
    const STORE: u8 = 0x62;
    const ADD: u8 = 0x07;
    const AND: u8 = 0x57;
    const CALL: u8 = 0x85;
    const IF: u8 = 0x15;
    const LOAD_MAP: u8 = 0x18; // of two instructions

    let assign = [
        op(LOAD_MAP, (1, 1), 0, map.as_raw_fd()),
        0,
        op(MOVE, (2, 10), 0, 0),
        op(ADD, (2, 0), 0, -4),
        op(CALL, (0, 0), 0, FUNC_MAP_LOOKUP_ELEM),
        op(IF, (0, 0), 7, 0), // to the end: nobody is there
        op(MOVE, (7, 0), 0, 0),
        op(MOVE, (1, 6), 0, 0),
        op(MOVE, (2, 7), 0, 0),
        op(SET, (3, 0), 0, 0),
        op(CALL, (0, 0), 0, FUNC_SK_ASSIGN),
        op(MOVE, (1, 7), 0, 0),
        op(CALL, (0, 0), 0, FUNC_SK_RELEASE),
    ];
    let pass = [op(SET, (0, 0), 0, SK_PASS), op(END, (0, 0), 0, 0)];
    let rest = addresses.iter().position(|address| *address == OUTSIDE);
    let otherwise = match rest {
        None => vec![op(JUMP, (0, 0), assign.len() as i16, 0)],
        Some(number) => vec![
            op(MOVE, (4, 2), 0, 0),
            op(AND, (4, 0), 0, 0xff), // the address's first byte
            op(IF, (4, 0), assign.len() as i16 + 1, 127),
            op(STORE, (10, 0), -4, number as i32),
        ],
    };
    let exact = addresses.iter().enumerate().filter(|(number, _)| Some(*number) != rest);
    let mut left = addresses.len() - usize::from(rest.is_some());
    let mut tests = Vec::new();
    for (number, address) in exact {
        left -= 1;
        let ip = i32::from_ne_bytes(address.ip().octets());
        tests.extend([
            op(UNLESS, (2, 0), 3, ip),
            op(UNLESS, (3, 0), 2, address.port().into()),
            op(STORE, (10, 0), -4, number as i32),
            // over the other tests and what is done where none holds
            op(JUMP, (0, 0), (left * 4 + otherwise.len()) as i16, 0),
        ]);
    }
    tests.extend(otherwise);
    let to_pass = |from: usize| (tests.len() + assign.len() + from) as i16;
    let mut all = vec![
        op(MOVE, (6, 1), 0, 0),
        op(LOAD, (2, 6), FAMILY, 0),
        op(UNLESS, (2, 0), to_pass(6), libc::AF_INET),
        op(LOAD, (2, 6), PROTOCOL, 0),
        op(UNLESS, (2, 0), to_pass(4), libc::IPPROTO_TCP),
        op(LOAD, (2, 6), ARRIVED_AT, 0),
        op(UNLESS, (2, 0), to_pass(2), LOOPBACK),
        op(LOAD, (2, 6), LOCAL_ADDRESS, 0),
        op(LOAD, (3, 6), LOCAL_PORT, 0),
    ];
    all.extend(tests);
    all.extend(assign);
    all.extend(pass);
    all
}
