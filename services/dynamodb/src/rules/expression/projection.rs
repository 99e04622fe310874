//! `ProjectionExpression`, and cutting items down to paths.

use std::collections::BTreeMap;

use haar_wire::AwsError;

use super::super::value::{Attr, Item};
use super::overlap;
use super::parser::Parser;
use super::path::{Path, Step};
use super::placeholders::Placeholders;
use crate::refusal::invalid;

/// What is to be left of items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Projection {
    attributes: BTreeMap<String, Node>,
}

/// A part of a document: all of it, or parts of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    is_whole: bool,
    parts: BTreeMap<Step, Self>,
}

/// Reads a projection.
pub(crate) fn projection(
    text: &str,
    placeholders: &mut Placeholders,
) -> Result<Projection, AwsError> {
    let read = Parser::new(text, placeholders).and_then(|mut parser| {
        let mut paths = vec![parser.path()?];
        while parser.take_symbol(",") {
            paths.push(parser.path()?);
        }
        parser.expect_end()?;
        overlap::check(&paths.iter().collect::<Vec<_>>())?;
        Ok(Projection::of(&paths))
    });
    read.map_err(|why| invalid(format!("Invalid ProjectionExpression: {why}")))
}

impl Projection {
    /// A projection to paths.
    pub(crate) fn of(paths: &[Path]) -> Self {
        let mut projection = Self::default();
        for path in paths {
            let mut node = projection.attributes.entry(path.attribute.clone()).or_default();
            for step in &path.steps {
                node = node.parts.entry(step.clone()).or_default();
            }
            node.is_whole = true;
        }
        projection
    }

    /// A projection to top-level attributes.
    pub(crate) fn to_attributes<'n>(names: impl IntoIterator<Item = &'n String>) -> Self {
        Self::of(&names.into_iter().map(|name| Path::top(name.clone())).collect::<Vec<_>>())
    }

    /// The top-level attributes that it names.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &String> {
        self.attributes.keys()
    }

    /// What is left of an item.
    pub(crate) fn apply(&self, mut item: Item) -> Item {
        let mut left = Item::new();
        for (name, node) in &self.attributes {
            let found = item.remove(name).and_then(|value| node.cut(value));
            left.extend(found.map(|value| (name.clone(), value)));
        }
        left
    }
}

impl Node {
    fn cut(&self, value: Attr) -> Option<Attr> {
        if self.is_whole {
            return Some(value);
        }
        match value {
            Attr::M(mut map) => {
                let mut left = Item::new();
                for (step, node) in &self.parts {
                    let Step::Name(name) = step else { continue };
                    let found = map.remove(name).and_then(|value| node.cut(value));
                    left.extend(found.map(|value| (name.clone(), value)));
                }
                (!left.is_empty()).then_some(Attr::M(left))
            }
            Attr::L(list) => {
                let cut = |(index, value)| self.parts.get(&Step::Index(index))?.cut(value);
                let left: Vec<Attr> = list.into_iter().enumerate().filter_map(cut).collect();
                (!left.is_empty()).then_some(Attr::L(left))
            }
            _ => None,
        }
    }
}
