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

/// Cuts bytes that come in pieces into lines.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines that end within some more bytes.
    pub(super) fn more(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(trimmed).collect()
    }

    /// The last one, which nothing ends.
    pub(super) fn last(self) -> Option<Vec<u8>> {
        Some(trimmed(&self.rest)).filter(|line| !line.is_empty())
    }
}

fn trimmed(line: &[u8]) -> Vec<u8> {
    line.strip_suffix(b"\r").unwrap_or(line).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_their_bytes_come() {
        let mut lines = Lines::default();
        assert_eq!(lines.more(b"a"), [b""; 0]);
        assert_eq!(lines.more(b"b\r\n\nc\nd"), [b"ab".to_vec(), b"c".to_vec()]);
        assert_eq!(lines.last(), Some(b"d".to_vec()));
        assert_eq!(Lines::default().last(), None);
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
