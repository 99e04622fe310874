//! Which attributes expressions look at.

use super::ast::{Clause, Condition, Operand, Source};
use super::path::Path;

impl Condition {
    /// Shows each path that the condition looks at.
    pub(crate) fn each_path<'c>(&'c self, see: &mut dyn FnMut(&'c Path)) {
        match self {
            Self::Compare(left, _, right)
            | Self::BeginsWith(left, right)
            | Self::Contains(left, right) => {
                left.each_path(see);
                right.each_path(see);
            }
            Self::Between(value, low, high) => {
                for operand in [value, low, high] {
                    operand.each_path(see);
                }
            }
            Self::In(value, all) => {
                value.each_path(see);
                all.iter().for_each(|operand| operand.each_path(see));
            }
            Self::And(left, right) | Self::Or(left, right) => {
                left.each_path(see);
                right.each_path(see);
            }
            Self::Not(inner) => inner.each_path(see),
            Self::Exists(path) | Self::NotExists(path) | Self::TypeIs(path, _) => see(path),
        }
    }

    /// True where the condition looks at a top-level attribute.
    pub(crate) fn names(&self, attribute: &str) -> bool {
        let mut is_named = false;
        self.each_path(&mut |path| is_named |= path.attribute == attribute);
        is_named
    }
}

impl Operand {
    fn each_path<'c>(&'c self, see: &mut dyn FnMut(&'c Path)) {
        match self {
            Self::Path(path) => see(path),
            Self::Value(_) => {}
            Self::Size(inner) => inner.each_path(see),
        }
    }
}

impl Clause {
    /// Shows each path that the clause changes or looks at.
    pub(crate) fn each_path<'c>(&'c self, see: &mut dyn FnMut(&'c Path)) {
        see(self.path());
        if let Self::Set(_, source) = self {
            source.each_path(see);
        }
    }
}

impl Source {
    fn each_path<'c>(&'c self, see: &mut dyn FnMut(&'c Path)) {
        match self {
            Self::Path(path) => see(path),
            Self::Value(_) => {}
            Self::IfNotExists(path, other) => {
                see(path);
                other.each_path(see);
            }
            Self::ListAppend(left, right) | Self::Plus(left, right) | Self::Minus(left, right) => {
                left.each_path(see);
                right.each_path(see);
            }
        }
    }
}
