//! Values to JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::schema::{Kind, Location, Schema, TimestampFormat};
use crate::shape::set_members;
use crate::value::View;
use crate::{Shape, timestamp};

/// A value with its table, for serde.
pub(crate) struct Encoded<'a>(pub(crate) View<'a>, pub(crate) &'static Schema);

/// A structure as an object; `body_only` leaves out what goes elsewhere in a message.
pub(crate) struct Object<'a> {
    shape: &'a dyn Shape,
    body_only: bool,
}

/// All members of a structure as an object.
pub(crate) fn object(shape: &dyn Shape) -> Object<'_> {
    Object { shape, body_only: false }
}

impl<'a> Object<'a> {
    /// Leaves out members that go elsewhere in a message.
    pub(crate) fn body_only(mut self) -> Self {
        self.body_only = true;
        self
    }
}

impl Object<'_> {
    /// Writes it behind what is there: the same as `serde_json` would, in half the time, since
    /// names need no look for what is to be escaped, and most texts one look alone.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut is_first = true;
        for (_, member, view) in set_members(self.shape) {
            let elsewhere = self.body_only && member.location != Location::Body;
            if !elsewhere && !matches!(view, View::Stream) {
                comma(&mut is_first, out);
                out.push(b'"');
                out.extend_from_slice(member.wire.as_bytes());
                out.extend_from_slice(b"\":");
                write_value(view, member.schema, out);
            }
        }
        out.push(b'}');
    }
}

fn write_value(view: View<'_>, schema: &'static Schema, out: &mut Vec<u8>) {
    match (view, schema.kind) {
        (View::Text(text), _) => write_text(text, out),
        (View::Structure(shape), _) => object(shape).write(out),
        (View::List(list), Kind::List(row)) => {
            out.push(b'[');
            for index in 0..list.len() {
                comma(&mut (index == 0), out);
                write_value(list.item(index).view(), row.item.schema, out);
            }
            out.push(b']');
        }
        (View::Map(map), Kind::Map(row)) => {
            out.push(b'{');
            let mut is_first = true;
            map.each(&mut |key, value| {
                comma(&mut is_first, out);
                write_text(key, out);
                out.push(b':');
                write_value(value.view(), row.value.schema, out);
            });
            out.push(b'}');
        }
        _ => write_other(&Encoded(view, schema), out),
    }
}

fn comma(is_first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(is_first) {
        out.push(b',');
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        return write_other(text, out);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn write_other<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("memory takes what is plain data");
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_map(None)?;
        for (_, member, view) in set_members(self.shape) {
            let elsewhere = self.body_only && member.location != Location::Body;
            if !elsewhere && !matches!(view, View::Stream) {
                out.serialize_entry(member.wire, &Encoded(view, member.schema))?;
            }
        }
        out.end()
    }
}

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1.kind) {
            (View::Boolean(value), _) => to.serialize_bool(value),
            (View::Integer(value), _) => to.serialize_i64(value),
            (View::Double(value), _) if value.is_finite() => to.serialize_f64(value),
            (View::Double(value), _) => to.serialize_str(not_a_number(value)),
            (View::Text(value), _) => to.serialize_str(value),
            (View::Blob(value), _) => to.serialize_str(&STANDARD.encode(value)),
            (View::Timestamp(at), Kind::Timestamp(format)) => match format {
                None | Some(TimestampFormat::EpochSeconds) if at.0 % 1000 == 0 => {
                    to.serialize_i64(at.seconds())
                }
                None | Some(TimestampFormat::EpochSeconds) => to.serialize_f64(at.seconds_f64()),
                Some(format) => to.serialize_str(&timestamp::write(at, format)),
            },
            (View::Document(value), _) => value.serialize(to),
            (View::List(list), Kind::List(row)) => {
                let mut out = to.serialize_seq(Some(list.len()))?;
                for index in 0..list.len() {
                    out.serialize_element(&Encoded(list.item(index).view(), row.item.schema))?;
                }
                out.end()
            }
            (View::Map(map), Kind::Map(row)) => {
                let mut out = to.serialize_map(Some(map.len()))?;
                let mut result = Ok(());
                map.each(&mut |key, value| {
                    if result.is_ok() {
                        result = out.serialize_entry(key, &Encoded(value.view(), row.value.schema));
                    }
                });
                result?;
                out.end()
            }
            (View::Structure(shape), _) => object(shape).serialize(to),
            _ => to.serialize_unit(),
        }
    }
}

/// AWS's words for doubles that JSON has no number for.
pub(crate) fn not_a_number(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_serde_json_writes_them() {
        for text in ["", "plain", "\u{7f}äß€𝄞", "a\"b", "back\\slash", "line\nfeed", "\u{0}\u{1f} "]
        {
            let mut out = Vec::new();
            write_text(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(text).unwrap());
        }
    }
}
