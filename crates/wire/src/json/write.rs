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
