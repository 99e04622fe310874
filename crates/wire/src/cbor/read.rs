//! CBOR to values.

use minicbor::Decoder;
use minicbor::data::Type;

use crate::report::{Malformed, Report, Seen};
use crate::schema::{Kind, ListSchema, MapSchema, Schema};
use crate::value::Scalar;
use crate::{Shape, Value, timestamp};

/// Times that are larger are milliseconds: as seconds they would be beyond the year 5000.
const SECONDS_MAX: u64 = 100_000_000_000;

/// Reads one map into a structure; no bytes at all are an empty map.
pub(crate) fn read_object(
    bytes: &[u8],
    shape: &mut dyn Shape,
    report: &mut Report,
) -> Result<(), Malformed> {
    if bytes.is_empty() {
        report.missing(shape.schema().members(), &Seen::default());
        return Ok(());
    }
    let mut from = Decoder::new(bytes);
    match from.datatype() {
        Ok(Type::Map | Type::MapIndef) => read_structure(&mut from, shape, report)?,
        _ => return Err(report.malformed("Start of structure or map found where not expected.")),
    }
    match from.position() == bytes.len() {
        true => Ok(()),
        false => Err(report.malformed("the CBOR goes on behind its end")),
    }
}

fn read_structure(
    from: &mut Decoder<'_>,
    shape: &mut dyn Shape,
    report: &mut Report,
) -> Result<(), Malformed> {
    let members = shape.schema().members();
    let mut seen = Seen::default();
    let length = from.map().map_err(|_| broken(report))?;
    let mut count = 0;
    while more(from, length, &mut count, report)? {
        let key = text(from, report)?;
        let Some(index) = members.iter().position(|member| member.wire == key) else {
            from.skip().map_err(|_| broken(report))?;
            continue;
        };
        let member = &members[index];
        if seen.take(index) {
            shape.member_mut(index).reset();
        }
        let there = report.in_member(member.name, |report| {
            read(from, member.schema, shape.member_mut(index), report)
        })?;
        if there {
            seen.add(index);
        }
    }
    report.missing(members, &seen);
    Ok(())
}

/// Whether another item or entry follows; eats the mark at the end of an open one.
fn more(
    from: &mut Decoder<'_>,
    length: Option<u64>,
    count: &mut u64,
    report: &mut Report,
) -> Result<bool, Malformed> {
    *count += 1;
    match length {
        Some(length) => Ok(*count <= length),
        None if from.datatype().map_err(|_| broken(report))? == Type::Break => {
            from.skip().map_err(|_| broken(report))?;
            Ok(false)
        }
        None => Ok(true),
    }
}

fn text(from: &mut Decoder<'_>, report: &mut Report) -> Result<String, Malformed> {
    let mut out = String::new();
    for part in from.str_iter().map_err(|_| broken(report))? {
        out.push_str(part.map_err(|_| broken(report))?);
    }
    Ok(out)
}

/// Reads one value; answers whether it was there (null is not).
fn read(
    from: &mut Decoder<'_>,
    schema: &'static Schema,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    if report.too_deep() {
        return Err(report.malformed("the input nests too deeply"));
    }
    let mut kind = from.datatype().map_err(|_| broken(report))?;
    while kind == Type::Tag {
        from.tag().map_err(|_| broken(report))?;
        kind = from.datatype().map_err(|_| broken(report))?;
    }
    match (kind, schema.kind) {
        (Type::Null | Type::Undefined, _) => {
            from.skip().map_err(|_| broken(report))?;
            Ok(false)
        }
        (Type::Array | Type::ArrayIndef, Kind::List(row)) => read_list(from, row, value, report),
        (Type::Map | Type::MapIndef, Kind::Map(row)) => read_map(from, row, value, report),
        (Type::Map | Type::MapIndef, Kind::Structure(_)) => match value.structure() {
            Some(shape) => read_structure(from, shape, report).map(|()| true),
            None => Ok(false),
        },
        _ => read_scalar(from, kind, schema, value, report),
    }
}

fn read_list(
    from: &mut Decoder<'_>,
    row: &'static ListSchema,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    value.touch();
    let length = from.array().map_err(|_| broken(report))?;
    let (mut count, mut position) = (0, 1);
    while more(from, length, &mut count, report)? {
        let Some(slot) = value.push() else { return Ok(false) };
        let size = size_of_val(slot);
        let there = report.in_item(position, |report| read(from, row.item.schema, slot, report))?;
        position += usize::from(there);
        if !there || !report.keeps(size)? {
            value.pop();
        }
    }
    Ok(true)
}

fn read_map(
    from: &mut Decoder<'_>,
    row: &'static MapSchema,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    value.touch();
    let length = from.map().map_err(|_| broken(report))?;
    let mut count = 0;
    while more(from, length, &mut count, report)? {
        let key = text(from, report)?;
        let Some(slot) = value.insert(key.clone()) else { return Ok(false) };
        report.takes(key.len() + size_of_val(slot))?;
        report.in_key(&key, |report| read(from, row.value.schema, slot, report))?;
    }
    Ok(true)
}

fn read_scalar(
    from: &mut Decoder<'_>,
    kind: Type,
    schema: &'static Schema,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    let is_time = matches!(schema.kind, Kind::Timestamp(_));
    let scalar = match kind {
        Type::Bool => from.bool().map(Scalar::Boolean),
        Type::F16 => from.f16().map(|number| Scalar::Double(f64::from(number))),
        Type::F32 => from.f32().map(|number| Scalar::Double(f64::from(number))),
        Type::F64 => from.f64().map(Scalar::Double),
        Type::String | Type::StringIndef => Ok(Scalar::Text(text(from, report)?)),
        Type::Bytes | Type::BytesIndef => bytes(from).map(|bytes| Scalar::Blob(bytes.into())),
        _ => from.i64().map(Scalar::Integer),
    };
    let scalar = match scalar.map_err(|_| broken(report))? {
        Scalar::Integer(millis) if is_time && millis.unsigned_abs() > SECONDS_MAX => {
            Scalar::Timestamp(haar_types::Timestamp(millis))
        }
        Scalar::Integer(seconds) if is_time => {
            Scalar::Timestamp(timestamp::from_seconds(seconds as f64))
        }
        Scalar::Double(seconds) if is_time => Scalar::Timestamp(timestamp::from_seconds(seconds)),
        Scalar::Double(number)
            if number.fract() == 0.0 && matches!(schema.kind, Kind::Integer | Kind::Long) =>
        {
            Scalar::Integer(number as i64)
        }
        other => other,
    };
    let quoted = match &scalar {
        Scalar::Text(text) => Some(text.clone()),
        _ => None,
    };
    if value.set(scalar).is_ok() {
        return Ok(true);
    }
    match (quoted, schema.kind) {
        (Some(text), Kind::Enum(values)) => {
            report.not_in_enum(schema, &text, values);
            Ok(true)
        }
        _ => Err(report.malformed(format!("a CBOR {kind} found where not expected"))),
    }
}

fn bytes(from: &mut Decoder<'_>) -> Result<Vec<u8>, minicbor::decode::Error> {
    let mut out = Vec::new();
    for part in from.bytes_iter()? {
        out.extend_from_slice(part?);
    }
    Ok(out)
}

fn broken(report: &mut Report) -> Malformed {
    report.malformed("the CBOR ends early or is not well-formed")
}
