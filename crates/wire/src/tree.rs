//! Forms and XML as one kind of tree, and from there to values.

mod form;
mod xml;

use std::collections::BTreeMap;

pub(crate) use form::from_params;
pub(crate) use xml::from_xml;

use crate::report::{Malformed, Report, Seen};
use crate::schema::{Kind, ListSchema, Location, MapSchema, Member};
use crate::{Shape, Value, text};

/// One element, or one part of a dotted name.
#[derive(Debug, Default)]
pub(crate) struct Node {
    text: Option<String>,
    children: BTreeMap<String, Vec<Node>>,
}

/// Whose rules a tree follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `Tags.member.1.Key`.
    Query,
    /// `Tag.1.Key`, names begin with capitals.
    Ec2,
    /// Elements.
    Xml,
}

impl Node {
    fn child(&self, name: &str) -> Option<&Self> {
        self.children.get(name)?.first()
    }

    /// Children named by numbers, in their order.
    fn numbered(&self) -> Vec<&Self> {
        let mut found: Vec<(u64, &Self)> = self
            .children
            .iter()
            .filter_map(|(name, nodes)| Some((name.parse().ok()?, nodes.first()?)))
            .collect();
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, node)| node).collect()
    }
}

/// Reads a structure's body members; missing ones are the caller's to note.
pub(crate) fn read_members(
    node: &Node,
    dialect: Dialect,
    shape: &mut dyn Shape,
    seen: &mut Seen,
    report: &mut Report,
) -> Result<(), Malformed> {
    for (index, member) in shape.schema().members().iter().enumerate() {
        if member.location != Location::Body {
            continue;
        }
        let there = report.in_member(member.name, |report| {
            read_member(node, dialect, member, shape.member_mut(index), report)
        })?;
        if there {
            seen.add(index);
        }
    }
    Ok(())
}

fn read_member(
    parent: &Node,
    dialect: Dialect,
    member: &'static Member,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    let capital;
    let name = match (dialect, member.ec2_name) {
        (Dialect::Ec2, Some(name)) => name,
        (Dialect::Ec2, None) => {
            capital = upper_first(member.wire);
            capital.as_str()
        }
        _ => member.wire,
    };
    if let Some(items) = flattened(parent, dialect, name, member) {
        return match member.schema.kind {
            Kind::List(row) => read_items(&items, dialect, row, value, report),
            Kind::Map(row) => read_entries(&items, dialect, row, value, report),
            _ => Ok(false),
        };
    }
    match parent.child(name) {
        Some(node) => read(node, dialect, member, value, report).map(|()| true),
        None => Ok(false),
    }
}

/// Items of a list or map that has no element of its own, if this is one and has any.
fn flattened<'n>(
    parent: &'n Node,
    dialect: Dialect,
    name: &str,
    member: &'static Member,
) -> Option<Vec<&'n Node>> {
    let (is_flat, item) = match member.schema.kind {
        Kind::List(row) => (row.flattened, row.item.wire),
        Kind::Map(row) => (row.flattened, row.entry.unwrap_or("entry")),
        _ => return None,
    };
    match dialect {
        Dialect::Xml if is_flat => Some(parent.children.get(name)?.iter().collect()),
        Dialect::Query if is_flat => {
            let node = parent.child(name).or_else(|| parent.child(item))?;
            match node.children.is_empty() {
                false => Some(node.numbered()),
                // one item needs no number: `AttributeName=All`
                true => node.text.as_ref().filter(|text| !text.is_empty()).map(|_| vec![node]),
            }
        }
        _ => None,
    }
}

fn read(
    node: &Node,
    dialect: Dialect,
    member: &'static Member,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<(), Malformed> {
    if report.too_deep() {
        return Err(report.malformed("the input nests too deeply"));
    }
    match member.schema.kind {
        Kind::Structure(_) => {
            let Some(shape) = value.structure() else { return Ok(()) };
            let mut seen = Seen::default();
            read_members(node, dialect, shape, &mut seen, report)?;
            report.missing(shape.schema().members(), &seen);
            Ok(())
        }
        Kind::List(row) => {
            let items = list_items(node, dialect, row);
            read_items(&items, dialect, row, value, report).map(|_| ())
        }
        Kind::Map(row) => {
            let entries: Vec<&Node> = match dialect {
                Dialect::Xml => node.children.get("entry").into_iter().flatten().collect(),
                _ => node.child("entry").map(Node::numbered).unwrap_or_default(),
            };
            read_entries(&entries, dialect, row, value, report).map(|_| ())
        }
        _ => text::set(node.text.as_deref().unwrap_or_default(), member.schema, value, report),
    }
}

fn list_items<'n>(node: &'n Node, dialect: Dialect, row: &ListSchema) -> Vec<&'n Node> {
    match dialect {
        Dialect::Xml => node.children.get(row.item.wire).into_iter().flatten().collect(),
        Dialect::Ec2 => node.numbered(),
        Dialect::Query => {
            let holder = node.child(row.item.wire).or_else(|| node.child("member"));
            holder.unwrap_or(node).numbered()
        }
    }
}

fn read_items(
    items: &[&Node],
    dialect: Dialect,
    row: &'static ListSchema,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    value.touch();
    for (index, item) in items.iter().enumerate() {
        let Some(slot) = value.push() else { break };
        let size = size_of_val(slot);
        report.in_item(index + 1, |report| read(item, dialect, &row.item, slot, report))?;
        if !report.keeps(size)? {
            value.pop();
        }
    }
    Ok(true)
}

fn read_entries(
    entries: &[&Node],
    dialect: Dialect,
    row: &'static MapSchema,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    value.touch();
    for entry in entries {
        let key = entry.child(row.key.wire).and_then(|key| key.text.clone()).unwrap_or_default();
        let Some(slot) = value.insert(key.clone()) else { break };
        if let Some(node) = entry.child(row.value.wire) {
            report.in_key(&key, |report| read(node, dialect, &row.value, slot, report))?;
        }
    }
    Ok(true)
}

fn upper_first(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
