//! A compiled pattern.

use serde_json::Value;

use crate::compile::{Rule, compile};
use crate::dialect::Dialect;
use crate::error::PatternError;
use crate::matcher::Matcher;
use crate::tree::Node;

/// A pattern, compiled once. `$or` is resolved: an event matches when it matches one of the
/// alternatives.
#[derive(Clone, Debug)]
pub struct Pattern {
    alternatives: Vec<Node>,
    rules: Vec<Rule>,
}

/// One field that a pattern speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// The names of the field and of those that it lies in, outermost first.
    pub path: &'a [String],
    /// How many alternatives its array lists.
    pub values: usize,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong, in the service's words, with the place.
    pub fn compile(text: &str, dialect: &Dialect) -> Result<Self, PatternError> {
        let rules = compile(text, dialect)?;
        Ok(Self { alternatives: rules.iter().map(Node::of).collect(), rules })
    }

    /// True when the event is what the pattern describes. What it does not speak of is ignored;
    /// an array matches when one of its elements does, and fields of one element belong together.
    pub fn matches(&self, event: &Value) -> bool {
        self.alternatives.iter().any(|node| node.matches(event))
    }

    /// The fields of each alternative, for services that count them.
    pub fn leaves(&self) -> impl Iterator<Item = impl Iterator<Item = Leaf<'_>>> {
        self.rules
            .iter()
            .map(|rule| rule.iter().map(|(path, matchers)| Leaf { path, values: matchers.written }))
    }

    /// True when a field lies within another one.
    pub fn is_nested(&self) -> bool {
        self.leaves().flatten().any(|leaf| leaf.path.len() > 1)
    }

    /// True when any field asks for a wildcard, for services that count such patterns.
    pub fn has_wildcard(&self) -> bool {
        self.rules
            .iter()
            .flat_map(|rule| rule.values())
            .any(|values| values.matchers.iter().any(Matcher::is_wildcard))
    }
}
