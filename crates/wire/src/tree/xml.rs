//! XML as a tree: names without prefixes, attributes as children.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::Node;
use crate::report::{Malformed, Report};

/// Nested elements at most.
const DEPTH_MAX: usize = 64;

/// The root element's content; entities beyond XML's own five are refused.
pub(crate) fn from_xml(xml: &[u8], report: &mut Report) -> Result<Node, Malformed> {
    match read(xml, report) {
        Some(root) => Ok(root),
        None => Err(report.malformed("The XML you provided was not well-formed")),
    }
}

fn read(xml: &[u8], report: &mut Report) -> Option<Node> {
    let mut reader = Reader::from_str(std::str::from_utf8(xml).ok()?);
    let mut open: Vec<(String, Node)> = vec![(String::new(), Node::default())];
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if open.len() < DEPTH_MAX => open.push(begin(&tag, report)?),
            Event::Start(_) => return None,
            Event::Empty(tag) => {
                let (name, node) = begin(&tag, report)?;
                adopt(&mut open, name, node)?;
            }
            Event::End(_) => {
                let (name, node) = open.pop()?;
                adopt(&mut open, name, node)?;
            }
            Event::Text(text) => add_text(&mut open, &text)?,
            Event::CData(text) => add_text(&mut open, &text)?,
            Event::GeneralRef(name) => {
                let resolved = match name.resolve_char_ref().ok()? {
                    Some(letter) => letter.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name)?.to_owned(),
                };
                add_text(&mut open, &resolved)?;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let (_, document) = open.pop().filter(|_| open.is_empty())?;
    document.children.into_values().next()?.into_iter().next()
}

fn begin(tag: &BytesStart<'_>, report: &mut Report) -> Option<(String, Node)> {
    let mut node = report.takes_node().then(Node::default)?;
    for attribute in tag.attributes() {
        let attribute = attribute.ok().filter(|_| report.takes_node())?;
        let value = quick_xml::escape::unescape(&attribute.value).ok()?.into_owned();
        let child = Node { text: Some(value), ..Node::default() };
        node.children.entry(attribute.key.as_ref().to_owned()).or_default().push(child);
    }
    Some((tag.local_name().as_ref().to_owned(), node))
}

fn adopt(open: &mut [(String, Node)], name: String, node: Node) -> Option<()> {
    let (_, parent) = open.last_mut()?;
    parent.children.entry(name).or_default().push(node);
    Some(())
}

fn add_text(open: &mut [(String, Node)], text: &str) -> Option<()> {
    let (_, node) = open.last_mut()?;
    node.text.get_or_insert_default().push_str(text);
    Some(())
}
