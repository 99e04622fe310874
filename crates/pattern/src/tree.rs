//! One alternative of a pattern as a tree, and how it is laid over an event.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::compile::Rule;
use crate::matcher::Matcher;

/// A field of a pattern: what its value must be like, what the fields within must be like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    fields: BTreeMap<String, Node>,
    matchers: Vec<Matcher>,
    /// A leaf at or below this node asks that there be no value.
    asks_absence: bool,
}

impl Node {
    pub(crate) fn of(rule: &Rule) -> Self {
        let mut root = Self::default();
        for (path, values) in rule {
            let absence = values.matchers.contains(&Matcher::Absent);
            root.asks_absence |= absence;
            let mut node = &mut root;
            for name in path {
                node = node.fields.entry(name.clone()).or_default();
                node.asks_absence |= absence;
            }
            node.matchers.clone_from(&values.matchers);
        }
        root
    }

    pub(crate) fn matches(&self, event: &Value) -> bool {
        event.as_object().is_some_and(|object| self.object(object, &[event]))
    }

    /// Judges the fields of one object. `everywhere`: all values that stand where this object
    /// stands, in all elements of all arrays around it; absence is judged by these.
    fn object(&self, object: &Map<String, Value>, everywhere: &[&Value]) -> bool {
        self.fields.iter().all(|(name, node)| {
            let all = node.everywhere(name, everywhere);
            node.value(object.get(name), &all)
        })
    }

    fn value(&self, value: Option<&Value>, everywhere: &[&Value]) -> bool {
        let mut found = Vec::new();
        value.inspect(|value| flatten(value, &mut found));
        self.leaf(&found, everywhere) && self.within(&found, everywhere)
    }

    fn leaf(&self, found: &[&Value], everywhere: &[&Value]) -> bool {
        self.matchers.is_empty()
            || self.matchers.iter().any(|matcher| match matcher {
                Matcher::Absent => !everywhere.iter().any(|value| !value.is_object()),
                matcher => found.iter().any(|value| !value.is_object() && matcher.holds(value)),
            })
    }

    fn within(&self, found: &[&Value], everywhere: &[&Value]) -> bool {
        let mut objects = found.iter().filter_map(|value| value.as_object()).peekable();
        if self.fields.is_empty() {
            true
        } else if objects.peek().is_none() {
            self.object(&Map::new(), everywhere)
        } else {
            objects.any(|object| self.object(object, everywhere))
        }
    }

    /// All values of the field of this name; not looked for where nobody asks.
    fn everywhere<'a>(&self, name: &str, around: &[&'a Value]) -> Vec<&'a Value> {
        let mut all = Vec::new();
        if self.asks_absence {
            around.iter().filter_map(|value| value.get(name)).for_each(|v| flatten(v, &mut all));
        }
        all
    }
}

/// The value, or the elements of the array and of the arrays within.
fn flatten<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| flatten(element, into)),
        value => into.push(value),
    }
}
