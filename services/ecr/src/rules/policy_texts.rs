//! How policies are written down: AWS keeps what they say and writes them its own way.

use std::io::{Result, Write};

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// A lifecycle policy as AWS gives it back: on one line, without spaces.
pub(crate) fn lifecycle_text(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |it| it.to_string())
}

/// A policy of a repository or a registry as AWS gives it back: a member on each line, lists
/// on the line where they begin.
pub(crate) fn policy_text(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let mut out = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut out, Spacious::default()));
    let out = String::from_utf8(out).ok().filter(|_| written.is_ok());
    out.unwrap_or_else(|| text.to_owned())
}

#[derive(Default)]
struct Spacious {
    depth: usize,
    /// Whether the object that ends has members.
    is_filled: bool,
}

impl Spacious {
    fn line<W: ?Sized + Write>(&self, out: &mut W) -> Result<()> {
        write!(out, "\n{:1$}", "", 2 * self.depth)
    }
}

impl Formatter for Spacious {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> Result<()> {
        out.write_all(if first { b" " } else { b", " })
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        out.write_all(b" ]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        self.depth += 1;
        self.is_filled = false;
        out.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> Result<()> {
        out.write_all(if first { b"" } else { b"," })?;
        self.line(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        out.write_all(b" : ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _out: &mut W) -> Result<()> {
        self.is_filled = true;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        self.depth -= 1;
        match self.is_filled {
            true => self.line(out)?,
            false => out.write_all(b" ")?,
        }
        out.write_all(b"}")
    }
}

#[cfg(test)]
mod tests {
    use super::{lifecycle_text, policy_text};

    #[test]
    fn policies_are_written_as_aws_writes_them() {
        let given = "{\n\"Version\":\"2008-10-17\",\"Statement\":[{\"Sid\" : \"pull\",\
                     \"Condition\":{},\"Action\":[\"a\",\"b\"],\"NotAction\":[]},{\"Sid\":\"x\"}]}";
        let kept = "{\n  \"Version\" : \"2008-10-17\",\n  \"Statement\" : [ {\n    \"Sid\" : \"pull\",\n    \
                    \"Condition\" : { },\n    \"Action\" : [ \"a\", \"b\" ],\n    \"NotAction\" : [ ]\n  }, {\n    \
                    \"Sid\" : \"x\"\n  } ]\n}";
        assert_eq!(policy_text(given), kept);
        assert_eq!(policy_text(kept), kept);
        assert_eq!(lifecycle_text("{ \"rules\": [\n {\"a\": 1} ] }"), "{\"rules\":[{\"a\":1}]}");
        assert_eq!(lifecycle_text("no JSON"), "no JSON");
    }
}
