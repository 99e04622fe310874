//! What the packet filter is told at once: all of it holds from one moment on, or nothing does.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt,
};

use super::super::message::{Message, errno_of};
use super::rule::Rule;

/// Marks an attribute that holds others.
pub(super) const NESTED: u16 = 0x8000;

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = 0;
const GETTABLE: u16 = 1;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const DELCHAIN: u16 = 5;
const NEWRULE: u16 = 6;
const NEWSET: u16 = 9;
const DELSET: u16 = 11;
const NEWSETELEM: u16 = 12;
const DELSETELEM: u16 = 14;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const LIST_ELEM: u16 = 1 | NESTED;

/// The types that `nft` shows, and the mark of a map to verdicts. Keys of several parts have those
/// of all, six bits each.
const TYPE_IPADDR: u32 = 7;
const TYPE_ETHERADDR: u32 = 9;
const TYPE_IFNAME: u32 = 41;
const TYPE_VERDICT: u32 = 0xffff_ff00;
const FLAG_MAP: u32 = 8;
const JUMP: i32 = -3;

/// Elements of a message: its length has 16 bits.
const ELEMENTS_MAX: usize = 500;
/// Bytes that can be sent in one piece, as a batch must be, without more room.
const SEND_BYTES_PLAIN: usize = 64 << 10;

/// Whose packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Family {
    /// The host's own, and those that a bridge shows to the host's rules.
    Ip,
    /// Those on bridges.
    Bridge,
}

/// A table.
#[derive(Clone, Debug)]
pub(in super::super) struct Table {
    pub(in super::super) family: Family,
    pub(in super::super) name: String,
}

/// Where the kernel asks a chain.
#[derive(Clone, Copy)]
pub(in super::super) struct Hook {
    /// Its number, and who comes first there.
    pub(in super::super) number: u32,
    pub(in super::super) priority: i32,
    /// `filter` or `nat`.
    pub(in super::super) kind: &'static str,
}

/// What a set has, or a map from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// Addresses.
    Addresses,
    /// Addresses to chains.
    Chains,
    /// Interfaces' names, hardware addresses and addresses.
    Homes,
}

impl Kind {
    /// The type and the length of keys.
    fn key(self) -> (u32, u32) {
        match self {
            Self::Addresses | Self::Chains => (TYPE_IPADDR, 4),
            Self::Homes => (TYPE_IFNAME << 12 | TYPE_ETHERADDR << 6 | TYPE_IPADDR, 28),
        }
    }
}

/// The chain that a map has for a key; none in a set.
pub(in super::super) type Value = Option<String>;

/// Messages that are sent together.
pub(in super::super) struct Batch {
    bytes: Vec<u8>,
    count: u32,
    /// Where the last message is.
    last: usize,
}

impl Batch {
    pub(in super::super) fn new() -> Self {
        let mut batch = Self { bytes: Vec::new(), count: 0, last: 0 };
        batch.frame(BATCH_BEGIN);
        batch
    }

    fn frame(&mut self, kind: u16) {
        let mut message = Message::new(kind, 0).numbered(self.count);
        message.fixed(&[0, 0]);
        message.fixed(&SUBSYSTEM.to_be_bytes());
        self.push(message);
    }

    fn push(&mut self, message: Message) {
        self.last = self.bytes.len();
        self.bytes.extend(message.finish());
        self.count += 1;
    }

    /// One message about a table, whose name is its first attribute.
    fn add(&mut self, table: &Table, kind: u16, flags: u16, fill: impl FnOnce(&mut Message)) {
        let mut message = about(table, kind, flags, self.count);
        fill(&mut message);
        self.push(message);
    }

    /// Makes a table; one that is there is fine.
    pub(in super::super) fn table(&mut self, table: &Table) {
        self.add(table, NEWTABLE, NLM_F_CREATE, |_| {});
    }

    /// Removes a table with all in it, whether or not it is there.
    pub(in super::super) fn remove_table(&mut self, table: &Table) {
        self.table(table);
        self.add(table, DELTABLE, 0, |_| {});
    }

    /// Makes a chain that others jump to, or that the kernel asks.
    pub(in super::super) fn chain(&mut self, table: &Table, name: &str, hook: Option<Hook>) {
        self.add(table, NEWCHAIN, NLM_F_CREATE, |message| {
            message.text(3, name);
            let Some(hook) = hook else { return };
            message.nest(4 | NESTED, |at| {
                at.number_be(1, hook.number);
                at.bytes(2, &hook.priority.to_be_bytes());
            });
            message.number_be(5, 1); // accepts what no rule says anything of
            message.text(7, hook.kind);
        });
    }

    pub(in super::super) fn remove_chain(&mut self, table: &Table, name: &str) {
        self.add(table, DELCHAIN, 0, |message| message.text(3, name));
    }

    /// Puts a rule at a chain's end.
    pub(in super::super) fn rule(
        &mut self,
        table: &Table,
        chain: &str,
        fill: impl FnOnce(Rule<'_>),
    ) {
        self.add(table, NEWRULE, NLM_F_CREATE | NLM_F_APPEND, |message| {
            message.text(2, chain);
            message.nest(4 | NESTED, |list| fill(Rule(list)));
        });
    }

    /// Makes a set or a map.
    pub(in super::super) fn set(&mut self, table: &Table, name: &str, kind: Kind) {
        let (number, (key, length)) = (self.count, kind.key());
        self.add(table, NEWSET, NLM_F_CREATE, |message| {
            message.text(2, name);
            let is_map = kind == Kind::Chains;
            message.number_be(3, if is_map { FLAG_MAP } else { 0 });
            message.number_be(4, key);
            message.number_be(5, length);
            if is_map {
                message.number_be(6, TYPE_VERDICT);
            }
            message.number_be(10, number);
            // for `nft` to show addresses the right way round: keys are big-endian
            message.bytes(13, &[0, 4, 2, 0, 0, 0]);
        });
    }

    pub(in super::super) fn remove_set(&mut self, table: &Table, name: &str) {
        self.add(table, DELSET, 0, |message| message.text(2, name));
    }

    /// Puts keys into a set, or with their values into a map.
    pub(in super::super) fn put<'a>(
        &mut self,
        table: &Table,
        set: &str,
        elements: impl IntoIterator<Item = (&'a Vec<u8>, &'a Value)>,
    ) {
        self.elements(table, NEWSETELEM, set, elements);
    }

    /// Takes keys out of a set or map.
    pub(in super::super) fn take<'a>(
        &mut self,
        table: &Table,
        set: &str,
        keys: impl IntoIterator<Item = &'a Vec<u8>>,
    ) {
        self.elements(table, DELSETELEM, set, keys.into_iter().map(|key| (key, &None)));
    }

    fn elements<'a>(
        &mut self,
        table: &Table,
        kind: u16,
        set: &str,
        elements: impl IntoIterator<Item = (&'a Vec<u8>, &'a Value)>,
    ) {
        let elements: Vec<_> = elements.into_iter().collect();
        let flags = if kind == NEWSETELEM { NLM_F_CREATE } else { 0 };
        for some in elements.chunks(ELEMENTS_MAX) {
            self.add(table, kind, flags, |message| {
                message.text(2, set);
                message.nest(3 | NESTED, |list| {
                    some.iter().for_each(|(key, value)| element(list, key, value));
                });
            });
        }
    }

    /// Tells the kernel, and hears whether it has done so.
    pub(in super::super) fn send(self) -> io::Result<()> {
        self.send_over(&mut None)
    }

    /// The same over a socket that is kept for the next: to close one waits until the kernel has
    /// taken down what was removed of late, which takes it some ten milliseconds.
    pub(in super::super) fn send_over(mut self, kept: &mut Option<OwnedFd>) -> io::Result<()> {
        self.ask_for_answer();
        self.frame(BATCH_END);
        let socket = match kept.take() {
            Some(socket) => socket,
            None => open()?,
        };
        if self.bytes.len() > SEND_BYTES_PLAIN {
            sockopt::set_socket_send_buffer_size_force(&socket, self.bytes.len() * 2)?;
        }
        send(&socket, &self.bytes, SendFlags::empty())?;
        hear(&socket)?;
        *kept = Some(socket); // all answers were heard
        Ok(())
    }

    /// An answer to the last one tells that all were taken; one that was not has one anyway.
    fn ask_for_answer(&mut self) {
        let at = self.last + 6;
        let flags = u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]]) | NLM_F_ACK;
        self.bytes[at..at + 2].copy_from_slice(&flags.to_ne_bytes());
    }
}

/// The beginning of a message about a table.
fn about(table: &Table, kind: u16, flags: u16, number: u32) -> Message {
    let family = match table.family {
        Family::Ip => libc::NFPROTO_IPV4,
        Family::Bridge => libc::NFPROTO_BRIDGE,
    };
    let mut message = Message::new(SUBSYSTEM << 8 | kind, flags).numbered(number);
    message.fixed(&[family as u8, 0, 0, 0]);
    message.text(1, &table.name);
    message
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let kind = (AddressFamily::NETLINK, SocketType::RAW);
    Ok(socket_with(kind.0, kind.1, flags, Some(netlink::NETFILTER))?)
}

/// Reads the answers, all of which are there once a batch was sent.
fn hear(socket: &OwnedFd) -> io::Result<()> {
    let mut answer = vec![0_u8; 72 << 10];
    let mut taken = false;
    loop {
        let length = match recv(socket.as_fd(), &mut answer[..], RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(rustix::io::Errno::AGAIN) if taken => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut rest = &answer[..length];
        while let Some((one, others)) = split(rest) {
            match errno_of(one) {
                Some(0) => taken = true,
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
                None => {}
            }
            rest = others;
        }
    }
}

/// Whether the kernel has the packet filter: then it tells of a table's absence. The question
/// begins no batch, whose end would wait for all that other processors are doing.
pub(crate) fn is_there() -> bool {
    let table = Table { family: Family::Ip, name: "haar_nobody".to_owned() };
    let question = about(&table, GETTABLE, NLM_F_ACK, 0).finish();
    let asked = open().and_then(|socket| {
        send(&socket, &question, SendFlags::empty())?;
        hear(&socket)
    });
    asked.is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT))
}

/// The first of several messages, and the others.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let one = bytes.get(..length).filter(|one| one.len() >= 16)?;
    Some((one, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn element(list: &mut Message, key: &[u8], value: &Value) {
    list.nest(LIST_ELEM, |one| {
        one.nest(1 | NESTED, |data| data.bytes(1, key));
        if let Some(chain) = value {
            one.nest(2 | NESTED, |data| {
                data.nest(2 | NESTED, |verdict| {
                    verdict.bytes(1, &JUMP.to_be_bytes());
                    verdict.text(2, chain);
                });
            });
        }
    });
}
