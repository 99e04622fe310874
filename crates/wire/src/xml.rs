//! Values to XML: answers of query, ec2 and rest-xml.

use crate::Shape;
use crate::schema::{Kind, ListSchema, Location, MapSchema, Member, Schema, TimestampFormat};
use crate::shape::set_members;
use crate::text;
use crate::value::{List, Map, View};

/// The name of items that the model gives none.
const ITEM: &str = "member";

/// XML as it is written.
#[derive(Default)]
pub(crate) struct XmlWriter {
    out: String,
}

impl XmlWriter {
    /// A document, with XML's declaration where AWS has one.
    pub(crate) fn document() -> Self {
        Self { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() }
    }

    /// The bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    /// An element with what `content` writes.
    pub(crate) fn element(
        &mut self,
        name: &str,
        namespace: Option<&str>,
        content: impl FnOnce(&mut Self),
    ) {
        self.open(name);
        if let Some(namespace) = namespace {
            self.attribute("xmlns", namespace);
        }
        self.out.push('>');
        content(self);
        self.close(name);
    }

    /// An element with text.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.element(name, None, |out| out.text(text));
    }

    /// Text within an element.
    pub(crate) fn text(&mut self, text: &str) {
        escape(text, &mut self.out);
    }

    /// Members of a structure that go into the body.
    pub(crate) fn members(&mut self, shape: &dyn Shape) {
        let (row, mut is_written) = (shape.row(), false);
        let members = set_members(shape)
            .filter(|(_, member, _)| member.location == Location::Body && !member.xml_attribute);
        for (_, member, view) in members {
            match row.contains(&member.name) {
                false => self.member(member.wire, member, view),
                true if !is_written => {
                    self.row(shape, row);
                    is_written = true;
                }
                true => {}
            }
        }
    }

    /// Items of several flattened lists, in the order that the shape gives.
    fn row(&mut self, shape: &dyn Shape, row: &[&str]) {
        let mut lists: Vec<_> = set_members(shape).map(|found| (found.1, found.2, 0..)).collect();
        for name in row {
            let list = lists.iter_mut().find(|(member, _, _)| member.name == *name);
            let Some((member, View::List(list), indices)) = list else { continue };
            let (Kind::List(schema), Some(index)) = (member.schema.kind, indices.next()) else {
                continue;
            };
            if index < list.len() {
                self.value(member.wire, schema.item.schema, list.item(index).view());
            }
        }
    }

    fn member(&mut self, name: &str, member: &'static Member, view: View<'_>) {
        match (view, member.schema.kind) {
            (View::List(list), Kind::List(row)) if row.flattened => {
                // Items that have a name of their own bear it rather than the list's.
                let name = if row.item.wire == ITEM { name } else { row.item.wire };
                self.items(name, list, row);
            }
            (View::Map(map), Kind::Map(row)) if row.flattened => {
                self.entries(row.entry.unwrap_or(name), map, row);
            }
            _ => self.value(name, member.schema, view),
        }
    }

    fn value(&mut self, name: &str, schema: &'static Schema, view: View<'_>) {
        match (view, schema.kind) {
            (View::Structure(shape), _) => {
                self.open(name);
                let namespace = schema.as_structure().and_then(|shape| shape.xml_namespace);
                if let Some((prefix, uri)) = namespace {
                    self.attribute(&format!("xmlns:{prefix}"), uri);
                }
                for (_, member, view) in set_members(shape).filter(|found| found.1.xml_attribute) {
                    if let Some(text) = text::write(view, member.schema, TimestampFormat::DateTime)
                    {
                        self.attribute(member.wire, &text);
                    }
                }
                self.out.push('>');
                self.members(shape);
                self.close(name);
            }
            (View::List(list), Kind::List(row)) => {
                self.element(name, None, |out| out.items(row.item.wire, list, row));
            }
            (View::Map(map), Kind::Map(row)) => {
                self.element(name, None, |out| out.entries("entry", map, row));
            }
            _ => {
                if let Some(text) = text::write(view, schema, TimestampFormat::DateTime) {
                    self.leaf(name, &text);
                }
            }
        }
    }

    fn items(&mut self, name: &str, list: &dyn List, row: &'static ListSchema) {
        for index in 0..list.len() {
            self.value(name, row.item.schema, list.item(index).view());
        }
    }

    fn entries(&mut self, name: &str, map: &dyn Map, row: &'static MapSchema) {
        map.each(&mut |key, value| {
            self.element(name, None, |out| {
                out.leaf(row.key.wire, key);
                out.value(row.value.wire, row.value.schema, value.view());
            });
        });
    }

    fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(value, &mut self.out);
        self.out.push('"');
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }
}

/// Escapes what XML reserves, and what it cannot say at all becomes U+FFFD.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\n' | '\t' => out.push(letter),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
}
