//! JSON to values, in one pass and without a tree between.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::report::{Malformed, Report, Seen};
use crate::schema::{Kind, Location, Schema};
use crate::value::{Json, Scalar};
use crate::{Shape, Value, timestamp};

/// Reads one object into a structure. Given `seen`, reads members of the body only and leaves
/// missing ones to the caller, who fills in the others.
pub(crate) fn read_object<'de, D: Deserializer<'de, Error = serde_json::Error>>(
    from: D,
    shape: &mut dyn Shape,
    seen: Option<&mut Seen>,
    report: &mut Report,
) -> Result<(), Malformed> {
    let result = from.deserialize_any(ObjectVisitor { shape, seen, report: &mut *report });
    result.map_err(|error| unreadable(&error, report))
}

/// Reads one value that is a body by itself.
pub(crate) fn read_value<'de, D: Deserializer<'de, Error = serde_json::Error>>(
    from: D,
    schema: &'static Schema,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<(), Malformed> {
    let result = Seed { schema, value, report: &mut *report }.deserialize(from);
    result.map(|_| ()).map_err(|error| unreadable(&error, report))
}

/// Notes that a text is no JSON, and where: what the parser says of it is no customer's matter.
/// What a visitor refused is told already. *Ours*: AWS's services differ, or say nothing.
pub(crate) fn unreadable(error: &serde_json::Error, report: &mut Report) -> Malformed {
    let place = match error.line() {
        0 => String::new(), // of a tree, not of a text
        line => format!(" at line {line} column {}", error.column()),
    };
    report.malformed(format!("Unable to parse the JSON of the request{place}"))
}

struct ObjectVisitor<'a> {
    shape: &'a mut dyn Shape,
    seen: Option<&'a mut Seen>,
    report: &'a mut Report,
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let body_only = self.seen.is_some();
        let mut own = Seen::default();
        let seen = self.seen.unwrap_or(&mut own);
        read_members(map, self.shape, body_only, seen, self.report)?;
        if !body_only {
            self.report.missing(self.shape.schema().members(), seen);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(refuse(self.report, "Start of list found where not expected"))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        Err(misplaced(self.report, if flag { "TRUE_VALUE" } else { "FALSE_VALUE" }))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Err(misplaced(self.report, "NUMBER_VALUE"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Err(misplaced(self.report, "NUMBER_VALUE"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Err(misplaced(self.report, "NUMBER_VALUE"))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(misplaced(self.report, "STRING_VALUE"))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.seen.is_none() {
            self.report.missing(self.shape.schema().members(), &Seen::default());
        }
        Ok(())
    }
}

fn read_members<'de, A: MapAccess<'de>>(
    mut map: A,
    shape: &mut dyn Shape,
    body_only: bool,
    seen: &mut Seen,
    report: &mut Report,
) -> Result<(), A::Error> {
    let members = shape.schema().members();
    let mut hint = 0;
    while let Some(found) = map.next_key_seed(Key { schema: shape.schema(), hint })? {
        let Some(index) = found else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        let member = &members[index];
        hint = index + 1;
        if body_only && member.location != Location::Body {
            map.next_value::<IgnoredAny>()?;
            continue;
        }
        if seen.take(index) {
            shape.member_mut(index).reset();
        }
        let there = report.in_member(member.name, |report| {
            map.next_value_seed(Seed {
                schema: member.schema,
                value: shape.member_mut(index),
                report,
            })
        })?;
        if there {
            seen.add(index);
        }
    }
    Ok(())
}

/// Finds the member that a key names, without keeping the key.
struct Key {
    schema: &'static Schema,
    hint: usize,
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Option<usize>, E> {
        let members = self.schema.members();
        if members.get(self.hint).is_some_and(|member| member.wire == key) {
            return Ok(Some(self.hint));
        }
        Ok(members.iter().position(|member| member.wire == key))
    }
}

/// Reads one value; answers whether it was there (`null` is not).
struct Seed<'a> {
    schema: &'static Schema,
    value: &'a mut dyn Value,
    report: &'a mut Report,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        if self.report.too_deep() {
            return Err(refuse(self.report, "the input nests too deeply"));
        }
        if matches!(self.schema.kind, Kind::Document) {
            let json = <Json as serde::Deserialize>::deserialize(from)?;
            return self.set(Scalar::Document(json), "DOCUMENT");
        }
        from.deserialize_any(self)
    }
}

impl Seed<'_> {
    fn set<E: Error>(self, scalar: Scalar, found: &str) -> Result<bool, E> {
        match self.value.set(scalar) {
            Ok(()) => Ok(true),
            Err(_) => {
                let wanted = type_name(self.schema);
                Err(refuse(self.report, &format!("{found} can not be converted to {wanted}")))
            }
        }
    }

    fn number<E: Error>(self, number: f64) -> Result<bool, E> {
        let whole = number.fract() == 0.0 && number.abs() < 9.2e18;
        match self.schema.kind {
            Kind::Timestamp(_) => {
                let scalar = Scalar::Timestamp(timestamp::from_seconds(number));
                self.set(scalar, "NUMBER_VALUE")
            }
            Kind::Integer | Kind::Long if whole => {
                self.set(Scalar::Integer(number as i64), "NUMBER_VALUE")
            }
            Kind::Integer | Kind::Long => self.set(Scalar::Text(String::new()), "FLOAT_VALUE"),
            _ => self.set(Scalar::Double(number), "NUMBER_VALUE"),
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name(self.schema))
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        self.set(Scalar::Boolean(flag), if flag { "TRUE_VALUE" } else { "FALSE_VALUE" })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<bool, E> {
        match self.schema.kind {
            Kind::Timestamp(_) => self.number(number as f64),
            _ => self.set(Scalar::Integer(number), "NUMBER_VALUE"),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.number(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<bool, E> {
        self.number(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        match self.schema.kind {
            Kind::Enum(values) => {
                if self.value.set(Scalar::Text(text.to_owned())).is_err() {
                    self.report.not_in_enum(self.schema, text, values);
                }
                Ok(true)
            }
            Kind::Blob | Kind::Stream => match STANDARD.decode(text) {
                Ok(bytes) => self.set(Scalar::Blob(bytes.into()), "STRING_VALUE"),
                Err(_) => Err(refuse(self.report, "Unable to parse the base64 of a blob")),
            },
            Kind::Timestamp(_) => match timestamp::read(text) {
                Some(at) => self.set(Scalar::Timestamp(at), "STRING_VALUE"),
                None => self.set(Scalar::Text(String::new()), "STRING_VALUE"),
            },
            Kind::Double => match timestamp::special_double(text) {
                Some(number) => self.set(Scalar::Double(number), "STRING_VALUE"),
                None => self.set(Scalar::Text(String::new()), "STRING_VALUE"),
            },
            _ => self.set(Scalar::Text(text.to_owned()), "STRING_VALUE"),
        }
    }

    fn visit_string<E: Error>(self, text: String) -> Result<bool, E> {
        match self.schema.kind {
            Kind::Text => self.set(Scalar::Text(text), "STRING_VALUE"),
            _ => self.visit_str(&text),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let Kind::List(row) = self.schema.kind else {
            return Err(refuse(self.report, "Start of list found where not expected"));
        };
        self.value.touch();
        let mut position = 1;
        loop {
            // A slot for a `null` or for what is not there is given back below.
            let Some(slot) = self.value.push() else { return Ok(false) };
            let size = size_of_val(slot);
            let item = self.report.in_item(position, |report| {
                list.next_element_seed(Seed { schema: row.item.schema, value: slot, report })
            })?;
            match item {
                Some(true) => {
                    position += 1;
                    if !self.report.keeps(size).map_err(|_| too_many())? {
                        self.value.pop();
                    }
                }
                Some(false) => self.value.pop(),
                None => {
                    self.value.pop();
                    return Ok(true);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        if let Kind::Map(row) = self.schema.kind {
            self.value.touch();
            while let Some(key) = map.next_key::<String>()? {
                let path = key.clone();
                let Some(slot) = self.value.insert(key) else { return Ok(false) };
                let size = path.len() + size_of_val(slot);
                self.report.takes(size).map_err(|_| too_many())?;
                self.report.in_key(path, |report| {
                    map.next_value_seed(Seed { schema: row.value.schema, value: slot, report })
                })?;
            }
            return Ok(true);
        }
        match self.value.structure() {
            Some(shape) => {
                let mut seen = Seen::default();
                read_members(map, shape, false, &mut seen, self.report)?;
                self.report.missing(self.schema.members(), &seen);
                Ok(true)
            }
            None => Err(refuse(self.report, "Start of structure or map found where not expected.")),
        }
    }
}

fn refuse<E: Error>(report: &mut Report, why: &str) -> E {
    report.malformed(why);
    E::custom(why)
}

/// The report has the words for it.
fn too_many<E: Error>() -> E {
    E::custom("too many items")
}

/// Refuses a plain value that stands for a whole input.
fn misplaced<E: Error>(report: &mut Report, found: &str) -> E {
    refuse(report, &format!("{found} can not be converted to a Structure"))
}

fn type_name(schema: &Schema) -> &'static str {
    match schema.kind {
        Kind::Boolean => "a Boolean",
        Kind::Integer => "an Integer",
        Kind::Long => "a Long",
        Kind::Double => "a Double",
        Kind::Text | Kind::Enum(_) => "a String",
        Kind::Blob | Kind::Stream => "a Blob",
        Kind::Timestamp(_) => "milliseconds since epoch",
        Kind::Document => "a Document",
        Kind::List(_) => "a List",
        Kind::Map(_) => "a Map",
        Kind::Structure(_) | Kind::Events(_) => "a Structure",
    }
}
