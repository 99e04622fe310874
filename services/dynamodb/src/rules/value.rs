//! Attribute values as the room works on them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::number::Number;

/// An item: its attributes by name.
pub(crate) type Item = BTreeMap<String, Attr>;

/// A value. Sets are sorted and hold nothing twice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attr {
    S(String),
    N(Number),
    B(Bytes),
    Ss(Vec<String>),
    Ns(Vec<Number>),
    Bs(Vec<Bytes>),
    M(Item),
    L(Vec<Self>),
    Null,
    Bool(bool),
}

/// A value's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    S,
    N,
    B,
    Ss,
    Ns,
    Bs,
    M,
    L,
    Null,
    Bool,
}

impl Kind {
    /// As the wire writes it: `SS`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
            Self::Ss => "SS",
            Self::Ns => "NS",
            Self::Bs => "BS",
            Self::M => "M",
            Self::L => "L",
            Self::Null => "NULL",
            Self::Bool => "BOOL",
        }
    }

    /// As errors about operands name it: `STRING`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::S => "STRING",
            Self::N => "NUMBER",
            Self::B => "BINARY",
            Self::Ss => "STRING_SET",
            Self::Ns => "NUMBER_SET",
            Self::Bs => "BINARY_SET",
            Self::M => "MAP",
            Self::L => "LIST",
            Self::Null => "NULL",
            Self::Bool => "BOOLEAN",
        }
    }

    /// The type of a code.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        let all = [
            Self::S,
            Self::N,
            Self::B,
            Self::Ss,
            Self::Ns,
            Self::Bs,
            Self::M,
            Self::L,
            Self::Null,
            Self::Bool,
        ];
        all.into_iter().find(|kind| kind.code() == code)
    }

    /// True for the three kinds of set.
    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::Ss | Self::Ns | Self::Bs)
    }

    /// True for what may be a key.
    pub(crate) fn is_key(self) -> bool {
        matches!(self, Self::S | Self::N | Self::B)
    }
}

impl Attr {
    /// Its type.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::S(_) => Kind::S,
            Self::N(_) => Kind::N,
            Self::B(_) => Kind::B,
            Self::Ss(_) => Kind::Ss,
            Self::Ns(_) => Kind::Ns,
            Self::Bs(_) => Kind::Bs,
            Self::M(_) => Kind::M,
            Self::L(_) => Kind::L,
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
        }
    }

    /// Bytes that it counts. AWS docs: *Developer Guide > Item sizes and formats*.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number_size(*number),
            Self::B(bytes) => bytes.len(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(|number| number_size(*number)).sum(),
            Self::Bs(set) => set.iter().map(Bytes::len).sum(),
            Self::M(map) => {
                3 + map.iter().map(|(key, value)| key.len() + value.size() + 1).sum::<usize>()
            }
            Self::L(list) => 3 + list.iter().map(|value| value.size() + 1).sum::<usize>(),
            Self::Null | Self::Bool(_) => 1,
        }
    }

    /// Levels of lists and maps, this one included.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::M(map) => 1 + map.values().map(Self::depth).max().unwrap_or(0),
            Self::L(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// How many elements or bytes `size()` finds; `None` for types that have no size.
    pub(crate) fn extent(&self) -> Option<usize> {
        match self {
            Self::S(text) => Some(text.len()),
            Self::B(bytes) => Some(bytes.len()),
            Self::Ss(set) => Some(set.len()),
            Self::Ns(set) => Some(set.len()),
            Self::Bs(set) => Some(set.len()),
            Self::M(map) => Some(map.len()),
            Self::L(list) => Some(list.len()),
            Self::N(_) | Self::Null | Self::Bool(_) => None,
        }
    }

    /// How it stands to another of the same ordered type.
    pub(crate) fn order(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::S(one), Self::S(other)) => Some(one.cmp(other)),
            (Self::N(one), Self::N(other)) => Some(one.cmp(other)),
            (Self::B(one), Self::B(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

fn number_size(number: Number) -> usize {
    1 + number.precision().div_ceil(2) + usize::from(number.is_negative())
}

/// Bytes that an item counts.
pub(crate) fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}
