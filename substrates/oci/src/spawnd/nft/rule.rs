//! One rule of the packet filter: conditions, then what is done.

use std::net::Ipv4Addr;

use super::super::message::Message;
use super::batch::NESTED;

/// The verdict's place, and the one that values pass through: four words, as are the next ones.
const VERDICT: u32 = 0;
const VALUE: u32 = 1;
/// Words of the next ones: those behind a name of four.
const FIFTH_WORD: u32 = 12;
const SEVENTH_WORD: u32 = 14;

const LIST_ELEM: u16 = 1 | NESTED;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2 | NESTED;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2 | NESTED;
const VERDICT_CODE: u16 = 1;

const META_IIFNAME: u32 = 6;
const META_L4PROTO: u32 = 16;
const CT_STATE: u32 = 0;
/// Bits of a connection's state: established, related.
const ANSWERS: u32 = 2 | 4;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;
const LINK: u32 = 0;
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
const IFNAMSIZ: usize = 16;

/// An address of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Side {
    Source,
    Destination,
}

impl Side {
    /// Where the IPv4 header has it.
    fn offset(self) -> u32 {
        match self {
            Self::Source => 12,
            Self::Destination => 16,
        }
    }
}

/// Where a frame says whose it is: hardware address and address, each by header and offset.
#[derive(Clone, Copy)]
pub(in super::super) struct Sender {
    hardware: (u32, u32),
    address: u32,
}

impl Sender {
    /// The frame itself, and the IPv4 packet in it.
    pub(in super::super) const OF_IP: Self = Self { hardware: (LINK, 6), address: 12 };
    /// The frame itself, and the word of ARP in it.
    pub(in super::super) const OF_ARP: Self = Self { hardware: (LINK, 6), address: 14 };
    /// The word of ARP: its receivers note both.
    pub(in super::super) const IN_ARP: Self = Self { hardware: (NETWORK, 8), address: 14 };
}

/// What becomes of a packet.
#[derive(Clone, Copy)]
pub(in super::super) enum Verdict {
    Drop,
    Accept,
    Return,
}

/// A rule under construction: the message that makes it, in its list of expressions.
pub(in super::super) struct Rule<'a>(pub(super) &'a mut Message);

impl Rule<'_> {
    fn expression(&mut self, name: &str, fill: impl FnOnce(&mut Message)) {
        self.0.nest(LIST_ELEM, |one| {
            one.text(EXPR_NAME, name);
            one.nest(EXPR_DATA, fill);
        });
    }

    fn load(&mut self, base: u32, offset: u32, length: u32) {
        self.load_to(VALUE, (base, offset, length));
    }

    fn load_to(&mut self, place: u32, (base, offset, length): (u32, u32, u32)) {
        self.expression("payload", |data| {
            for (kind, value) in [(1, place), (2, base), (3, offset), (4, length)] {
                data.number_be(kind, value);
            }
        });
    }

    fn meta(&mut self, key: u32) {
        self.expression("meta", |data| {
            data.number_be(1, VALUE);
            data.number_be(2, key);
        });
    }

    fn compare(&mut self, operation: u32, value: &[u8]) {
        self.expression("cmp", |data| {
            data.number_be(1, VALUE);
            data.number_be(2, operation);
            data.nest(3 | NESTED, |wanted| wanted.bytes(DATA_VALUE, value));
        });
    }

    fn mask(&mut self, mask: &[u8]) {
        self.expression("bitwise", |data| {
            for (kind, value) in [(1, VALUE), (2, VALUE), (3, mask.len() as u32)] {
                data.number_be(kind, value);
            }
            data.nest(4 | NESTED, |wanted| wanted.bytes(DATA_VALUE, mask));
            data.nest(5 | NESTED, |wanted| wanted.bytes(DATA_VALUE, &[0; 4][..mask.len()]));
        });
    }

    /// Answers, and what belongs to a connection that is there.
    pub(in super::super) fn answers(mut self) -> Self {
        self.expression("ct", |data| {
            data.number_be(1, VALUE);
            data.number_be(2, CT_STATE);
        });
        self.mask(&ANSWERS.to_ne_bytes());
        self.compare(NOT_EQUAL, &[0; 4]);
        self
    }

    /// What does not come in by this interface.
    pub(in super::super) fn not_from(mut self, interface: &str) -> Self {
        let mut name = [0; IFNAMSIZ];
        let length = interface.len().min(IFNAMSIZ - 1);
        name[..length].copy_from_slice(&interface.as_bytes()[..length]);
        self.meta(META_IIFNAME);
        self.compare(NOT_EQUAL, &name);
        self
    }

    /// What comes in by an interface whose name begins otherwise.
    pub(in super::super) fn by_none(mut self, prefix: &str) -> Self {
        self.meta(META_IIFNAME);
        self.compare(NOT_EQUAL, prefix.as_bytes());
        self
    }

    /// Frames whose sender is at home where they come from.
    pub(in super::super) fn at_home(mut self, set: &str, sender: Sender) -> Self {
        self.meta(META_IIFNAME);
        let (header, offset) = sender.hardware;
        self.load_to(FIFTH_WORD, (header, offset, 6));
        self.load_to(SEVENTH_WORD, (NETWORK, sender.address, 4));
        self.expression("lookup", |data| {
            data.text(1, set);
            data.number_be(2, VALUE);
        });
        self
    }

    /// Frames of this kind.
    pub(in super::super) fn frames(mut self, kind: u16) -> Self {
        self.load(LINK, 12, 2);
        self.compare(EQUAL, &kind.to_be_bytes());
        self
    }

    /// Frames of every other kind.
    pub(in super::super) fn frames_but(mut self, kind: u16) -> Self {
        self.load(LINK, 12, 2);
        self.compare(NOT_EQUAL, &kind.to_be_bytes());
        self
    }

    /// Packets of this protocol.
    pub(in super::super) fn protocol(mut self, number: u8) -> Self {
        self.meta(META_L4PROTO);
        self.compare(EQUAL, &[number]);
        self
    }

    /// To ports of this range, after [`Self::protocol`].
    pub(in super::super) fn ports(mut self, first: u16, last: u16) -> Self {
        self.load(TRANSPORT, 2, 2);
        match first == last {
            true => self.compare(EQUAL, &first.to_be_bytes()),
            false => {
                self.compare(AT_LEAST, &first.to_be_bytes());
                self.compare(AT_MOST, &last.to_be_bytes());
            }
        }
        self
    }

    /// ICMP of this type, after [`Self::protocol`].
    pub(in super::super) fn icmp_type(mut self, number: u8) -> Self {
        self.load(TRANSPORT, 0, 1);
        self.compare(EQUAL, &[number]);
        self
    }

    /// An address of the packet is of this network.
    pub(in super::super) fn within(mut self, side: Side, network: Ipv4Addr, prefix: u8) -> Self {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let network = u32::from(network) & mask;
        self.load(NETWORK, side.offset(), 4);
        if prefix < 32 {
            self.mask(&mask.to_be_bytes());
        }
        self.compare(EQUAL, &network.to_be_bytes());
        self
    }

    /// An address of the packet is in this set.
    pub(in super::super) fn member(mut self, side: Side, set: &str) -> Self {
        self.load(NETWORK, side.offset(), 4);
        self.expression("lookup", |data| {
            data.text(1, set);
            data.number_be(2, VALUE);
        });
        self
    }

    /// Does as this map says of an address of the packet.
    pub(in super::super) fn look_up(mut self, side: Side, map: &str) {
        self.load(NETWORK, side.offset(), 4);
        self.expression("lookup", |data| {
            data.text(1, map);
            data.number_be(2, VALUE);
            data.number_be(3, VERDICT);
        });
    }

    /// Ends with a verdict.
    pub(in super::super) fn then(mut self, verdict: Verdict) {
        let code: i32 = match verdict {
            Verdict::Drop => 0,
            Verdict::Accept => 1,
            Verdict::Return => -5,
        };
        self.expression("immediate", |data| {
            data.number_be(1, VERDICT);
            data.nest(2 | NESTED, |given| {
                given.nest(DATA_VERDICT, |verdict| {
                    verdict.bytes(VERDICT_CODE, &code.to_be_bytes());
                });
            });
        });
    }

    /// Ends with the word that the port is not served.
    pub(in super::super) fn refuse(mut self) {
        const PORT_UNREACHABLE: u8 = 3;
        self.expression("reject", |data| {
            data.number_be(1, 0); // by ICMP
            data.bytes(2, &[PORT_UNREACHABLE]);
        });
    }

    /// Ends by giving the packet the host's address.
    pub(in super::super) fn masquerade(mut self) {
        self.expression("masq", |_| {});
    }
}
