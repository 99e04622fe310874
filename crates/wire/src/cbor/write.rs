//! Values to CBOR.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::data::Tag;
use minicbor::encode::Error;

use crate::Shape;
use crate::schema::{Kind, Schema};
use crate::shape::set_members;
use crate::value::View;

type Out<'a> = Encoder<&'a mut Vec<u8>>;
type Done = Result<(), Error<Infallible>>;

/// What times are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// Seconds with a fraction.
    Seconds,
    /// Whole milliseconds.
    Millis,
}

/// A structure's members as a map.
pub(crate) fn write_object(shape: &dyn Shape, times: Times) -> Vec<u8> {
    let mut bytes = Vec::new();
    object(shape, None, times, &mut Encoder::new(&mut bytes)).expect("memory takes all bytes");
    bytes
}

/// An error: its type, its message unless the shape has it, and the shape's members.
pub(crate) fn write_error(
    name: &str,
    message: &str,
    shape: Option<&dyn Shape>,
    times: Times,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes);
    let result = match shape {
        Some(shape) => object(shape, Some(name), times, &mut out),
        None => bare_error(name, message, &mut out),
    };
    result.expect("memory takes all bytes");
    bytes
}

fn bare_error(name: &str, message: &str, out: &mut Out<'_>) -> Done {
    out.map(2)?.str("__type")?.str(name)?.str("message")?.str(message)?;
    Ok(())
}

fn object(shape: &dyn Shape, kind: Option<&str>, times: Times, out: &mut Out<'_>) -> Done {
    out.begin_map()?;
    if let Some(kind) = kind {
        out.str("__type")?.str(kind)?;
    }
    for (_, member, view) in set_members(shape) {
        if !matches!(view, View::Stream) {
            out.str(member.wire)?;
            write(view, member.schema, times, out)?;
        }
    }
    out.end()?;
    Ok(())
}

fn write(view: View<'_>, schema: &'static Schema, times: Times, out: &mut Out<'_>) -> Done {
    match (view, schema.kind) {
        (View::Boolean(flag), _) => out.bool(flag)?,
        (View::Integer(number), _) => out.i64(number)?,
        (View::Double(number), _) => out.f64(number)?,
        (View::Text(text), _) => out.str(text)?,
        (View::Blob(bytes), _) => out.bytes(bytes)?,
        (View::Timestamp(at), _) => match times {
            Times::Seconds => out.tag(Tag::new(1))?.f64(at.seconds_f64())?,
            Times::Millis => out.i64(at.0)?,
        },
        (View::List(list), Kind::List(row)) => {
            out.array(list.len() as u64)?;
            for index in 0..list.len() {
                write(list.item(index).view(), row.item.schema, times, out)?;
            }
            out
        }
        (View::Map(map), Kind::Map(row)) => {
            out.map(map.len() as u64)?;
            let mut result = Ok(());
            map.each(&mut |key, value| {
                if result.is_ok() {
                    let written = out.str(key).map(|_| ());
                    result =
                        written.and_then(|()| write(value.view(), row.value.schema, times, out));
                }
            });
            result?;
            out
        }
        (View::Structure(shape), _) => return object(shape, None, times, out),
        _ => out.null()?,
    };
    Ok(())
}
