//! What expressions say.

use super::super::value::{Attr, Kind};
use super::path::Path;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    /// As it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The comparison of a symbol.
    pub(crate) fn of(symbol: &str) -> Option<Self> {
        let all = [
            Self::Equal,
            Self::NotEqual,
            Self::Less,
            Self::LessOrEqual,
            Self::Greater,
            Self::GreaterOrEqual,
        ];
        all.into_iter().find(|one| one.symbol() == symbol)
    }
}

/// What a condition compares.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Path(Path),
    Value(Attr),
    Size(Box<Self>),
}

/// A condition on an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Exists(Path),
    NotExists(Path),
    TypeIs(Path, Kind),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// What a `SET` puts somewhere.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Path(Path),
    Value(Attr),
    IfNotExists(Path, Box<Self>),
    ListAppend(Box<Self>, Box<Self>),
    Plus(Box<Self>, Box<Self>),
    Minus(Box<Self>, Box<Self>),
}

/// One clause of an update.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Clause {
    Set(Path, Source),
    Remove(Path),
    Add(Path, Attr),
    Delete(Path, Attr),
}

impl Clause {
    /// What it changes.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Set(path, _)
            | Self::Remove(path)
            | Self::Add(path, _)
            | Self::Delete(path, _) => path,
        }
    }
}
