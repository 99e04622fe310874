//! Items as lines of text: DynamoDB JSON, and comma-separated values.

use std::collections::BTreeMap;

use haar_dynamodb_contract::AttributeValue;
use haar_wire::{Json, from_json, to_json};
use serde_json::json;

use crate::convert::{WireItem, to_wire};
use crate::rules::value::Item;

/// `{"Item":{"p":{"S":"a"}}}`, with its line's end.
pub(super) fn of_item(item: Item) -> Vec<u8> {
    let attributes = to_wire(item).into_iter().map(|(name, value)| (name, to_json(&value)));
    let attributes: BTreeMap<String, Json> = attributes.collect();
    let mut line = json!({ "Item": attributes }).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// The item of such a line; nothing where it is none.
pub(super) fn item_of(line: &[u8]) -> Option<WireItem> {
    let Json::Object(mut line) = serde_json::from_slice(line).ok()? else { return None };
    let Json::Object(attributes) = line.remove("Item")? else { return None };
    let read = |(name, value)| Some((name, from_json::<AttributeValue>(value).ok()?));
    attributes.into_iter().map(read).collect()
}

/// The fields of a line of comma-separated values; those in quotes may hold the delimiter, and
/// quotes twice.
pub(super) fn fields(line: &str, delimiter: char) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            letter if letter == delimiter && !is_quoted => fields.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    fields.push(field);
    fields
}

/// Bytes of a line at most: no item's is longer, not even one that is all escapes.
const LINE_BYTES_MAX: usize = 4 << 20;

/// A line, or that there was one that is too long to be kept.
pub(super) type Line = Result<Vec<u8>, TooLong>;

/// Longer than any item's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Cuts bytes that come in pieces into lines.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// The lines that end within some more bytes.
    pub(super) fn more(&mut self, mut bytes: &[u8]) -> Vec<Line> {
        let mut found = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.take(&bytes[..end]);
            found.extend(self.end());
            bytes = &bytes[end + 1..];
        }
        self.take(bytes);
        found
    }

    /// The last one, which nothing ends.
    pub(super) fn last(mut self) -> Option<Line> {
        self.end()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.is_too_long |= self.rest.len() + bytes.len() > LINE_BYTES_MAX;
        match self.is_too_long {
            true => self.rest = Vec::new(),
            false => self.rest.extend_from_slice(bytes),
        }
    }

    fn end(&mut self) -> Option<Line> {
        if std::mem::take(&mut self.is_too_long) {
            return Some(Err(TooLong));
        }
        let mut line = std::mem::take(&mut self.rest);
        line.pop_if(|last| *last == b'\r');
        Some(line).filter(|line| !line.is_empty()).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_their_bytes_come() {
        let mut lines = Lines::default();
        assert_eq!(lines.more(b"a"), []);
        assert_eq!(lines.more(b"b\r\n\nc\nd"), [Ok(b"ab".to_vec()), Ok(b"c".to_vec())]);
        assert_eq!(lines.last(), Some(Ok(b"d".to_vec())));
        assert_eq!(Lines::default().last(), None);
    }

    #[test]
    fn a_line_that_no_item_has_is_not_kept() {
        let mut lines = Lines::default();
        for _ in 0..5 {
            assert_eq!(lines.more(&[b'x'; 1 << 20]), []);
            assert!(lines.rest.len() <= LINE_BYTES_MAX);
        }
        assert_eq!(lines.more(b"\na\n"), [Err(TooLong), Ok(b"a".to_vec())]);
    }

    #[test]
    fn quoted_fields_hold_delimiters_and_quotes() {
        assert_eq!(fields("a,,c", ','), ["a", "", "c"]);
        assert_eq!(fields("\"a,\"\"b\"\"\";c", ';'), ["a,\"b\"", "c"]);
        assert_eq!(fields("\"x;y\";z", ';'), ["x;y", "z"]);
    }

    #[test]
    fn an_item_is_read_back_from_its_line() {
        let line = br#"{"Item":{"p":{"S":"a"},"n":{"N":"1"}}}"#;
        let item = item_of(line).unwrap();
        assert_eq!(item["p"].s.as_deref(), Some("a"));
        let again = of_item(crate::convert::item(item).unwrap());
        assert_eq!(item_of(&again).unwrap()["n"].n.as_deref(), Some("1"));
        assert!(item_of(b"{\"p\":1}").is_none() && item_of(b"nonsense").is_none());
    }
}
