//! Scalars as text: in paths, queries, headers, forms and XML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json::not_a_number;
use crate::report::{Malformed, Report};
use crate::schema::{Kind, Schema, TimestampFormat};
use crate::value::{Scalar, View};
use crate::{Refused, Value, timestamp};

/// Sets a scalar from its text; what its enum lacks is a violation, what cannot be read at all
/// makes the input malformed.
pub(crate) fn set(
    text: &str,
    schema: &Schema,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<(), Malformed> {
    let wanted = match schema.kind {
        Kind::Boolean => "a Boolean",
        Kind::Integer => "an Integer",
        Kind::Long => "a Long",
        Kind::Double => "a Double",
        Kind::Blob => "a Blob",
        Kind::Timestamp(_) => "a Timestamp",
        _ => "a String",
    };
    match try_set(text, schema, value) {
        Ok(()) => Ok(()),
        Err(_) => match schema.kind {
            Kind::Enum(values) => {
                report.not_in_enum(schema, text, values);
                Ok(())
            }
            _ => Err(report.malformed(format!("STRING_VALUE can not be converted to {wanted}"))),
        },
    }
}

/// Sets a scalar from its text, if that can be read.
pub(crate) fn try_set(text: &str, schema: &Schema, value: &mut dyn Value) -> Result<(), Refused> {
    read(text, schema).ok_or(Refused).and_then(|scalar| value.set(scalar))
}

fn read(text: &str, schema: &Schema) -> Option<Scalar> {
    Some(match schema.kind {
        Kind::Boolean if text.eq_ignore_ascii_case("true") => Scalar::Boolean(true),
        Kind::Boolean if text.eq_ignore_ascii_case("false") => Scalar::Boolean(false),
        Kind::Boolean => return None,
        Kind::Integer | Kind::Long => Scalar::Integer(text.trim().parse().ok()?),
        Kind::Double => Scalar::Double(text.trim().parse().ok()?),
        Kind::Blob => Scalar::Blob(STANDARD.decode(text.trim()).ok()?.into()),
        Kind::Timestamp(_) => Scalar::Timestamp(timestamp::read(text.trim())?),
        Kind::Document => Scalar::Document(serde_json::from_str(text).ok()?),
        _ => Scalar::Text(text.to_owned()),
    })
}

/// A scalar's text; `format` is what the place writes timestamps in unless the model says.
pub(crate) fn write(view: View<'_>, schema: &Schema, format: TimestampFormat) -> Option<String> {
    Some(match view {
        View::Boolean(flag) => flag.to_string(),
        View::Integer(number) => number.to_string(),
        View::Double(number) if number.is_finite() => format!("{number:?}"),
        View::Double(number) => not_a_number(number).to_owned(),
        View::Text(text) => text.to_owned(),
        View::Blob(bytes) => STANDARD.encode(bytes),
        View::Timestamp(at) => match schema.kind {
            Kind::Timestamp(Some(format)) => timestamp::write(at, format),
            _ => timestamp::write(at, format),
        },
        View::Document(json) => json.to_string(),
        _ => return None,
    })
}
