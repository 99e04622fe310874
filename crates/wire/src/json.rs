//! JSON: the body of json 1.0, json 1.1 and rest-json, and the form for in-process use.

mod read;
mod write;

pub(crate) use read::{read_object, read_value, unreadable};
pub(crate) use write::{not_a_number, object};

use self::write::Encoded;
use crate::report::Report;
use crate::shape::set_members;
use crate::value::Json;
use crate::{Shape, ShapeError};

/// A shape as JSON, all members in one object under their wire names; blobs are base64,
/// timestamps seconds.
pub fn to_json(shape: &dyn Shape) -> Json {
    serde_json::to_value(object(shape)).unwrap_or(Json::Null)
}

/// One member of what [`to_json`] makes, by its name on the wire; null where it is absent.
pub fn json_member(shape: &dyn Shape, wire: &str) -> Json {
    let found = set_members(shape).find(|(_, member, _)| member.wire == wire);
    let json = found.map(|(_, member, view)| serde_json::to_value(Encoded(view, member.schema)));
    json.and_then(Result::ok).unwrap_or(Json::Null)
}

/// A shape out of such JSON. Fails as a request would: wrong types, broken constraints.
pub fn from_json<I: Shape + Default>(json: Json) -> Result<I, ShapeError> {
    let mut shape = I::default();
    from_json_into(json, &mut shape)?;
    Ok(shape)
}

/// A shape out of JSON that was written by [`to_json`] and kept: only what cannot be read at
/// all fails, so that rows of an older model are still read.
pub fn restore<I: Shape + Default>(json: Json) -> Result<I, ShapeError> {
    let (mut shape, mut report) = (I::default(), Report::of_memory());
    match read_object(json, &mut shape, None, &mut report) {
        Ok(()) => Ok(shape),
        Err(_) => Err(ShapeError(report.message().unwrap_or_default())),
    }
}

/// [`from_json`] into a shape that is only known by its table.
pub fn from_json_into(json: Json, shape: &mut dyn Shape) -> Result<(), ShapeError> {
    let mut report = Report::of_memory();
    if read_object(json, shape, None, &mut report).is_ok() {
        report.check(shape);
    }
    match report.message() {
        Some(message) => Err(ShapeError(message)),
        None => Ok(()),
    }
}
