//! The static schema tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

use super::model::Model;

/// `tables.rs`: one static per reached shape.
pub(super) fn file(model: &Model) -> String {
    let mut out = String::from(
        "//! What the model says of each shape.\n\n\
         use haar_wire::{Fault, Kind, ListSchema, Location, MapSchema, Member, Pattern, Schema, \
         StructSchema, TimestampFormat};\n\nuse super::enums;\n\n",
    );
    let mut patterns: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &model.reached {
        if let Some(pattern) = model.shape(name).get("pattern").and_then(Value::as_str) {
            let next = patterns.len();
            patterns.entry(pattern).or_insert(next);
        }
    }
    let variants = variants(model);
    for name in &model.reached {
        let ident = model.static_name(name);
        let schema = schema(model, name, &patterns);
        let _ = writeln!(out, "pub static {ident}: Schema = {schema};");
        for variant in variants.get(name.as_str()).into_iter().flatten() {
            let (suffix, kind) = match *variant {
                "streaming" => ("STREAM", "Kind::Stream".to_owned()),
                _ => ("FLAT", kind(model, name).replace("flattened: false", "flattened: true")),
            };
            let schema = bounded(model, name, plain(name, &kind), &patterns);
            let _ = writeln!(out, "pub static {ident}_{suffix}: Schema = {schema};");
        }
    }
    for (pattern, number) in patterns {
        let _ = writeln!(out, "static P{number}: Pattern = Pattern::new({pattern:?});");
    }
    out
}

/// Shapes of which a member says more than they do themselves.
fn variants(model: &Model) -> BTreeMap<&str, BTreeSet<&'static str>> {
    let mut variants: BTreeMap<&str, BTreeSet<&'static str>> = BTreeMap::new();
    for (_, member) in model.reached.iter().flat_map(|name| model.members(name)) {
        if let (Some(name), Some(variant)) = (member["shape"].as_str(), model.variant(member)) {
            variants.entry(name).or_default().insert(variant);
        }
    }
    variants
}

fn schema(model: &Model, name: &str, patterns: &BTreeMap<&str, usize>) -> String {
    let out = match model.kind(name) {
        "structure" if model.is(name, "document") => plain(name, "Kind::Document"),
        "structure" if model.is(name, "eventstream") => {
            plain(name, &format!("Kind::Events(&{})", structure(model, name)))
        }
        "structure" => format!("Schema::structure({name:?}, &{})", structure(model, name)),
        _ => plain(name, &kind(model, name)),
    };
    bounded(model, name, out, patterns)
}

/// A table with what bounds its values.
fn bounded(model: &Model, name: &str, mut out: String, patterns: &BTreeMap<&str, usize>) -> String {
    let shape = model.shape(name);
    for bound in ["min", "max"] {
        if let Some(value) = shape.get(bound).and_then(whole) {
            let _ = write!(out, ".{bound}({value})");
        }
    }
    if let Some(pattern) = shape.get("pattern").and_then(Value::as_str) {
        let _ = write!(out, ".pattern(&P{})", patterns[pattern]);
    }
    if model.is(name, "sensitive") {
        out.push_str(".sensitive()");
    }
    out
}

fn plain(name: &str, kind: &str) -> String {
    format!("Schema::new({name:?}, {kind})")
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64))
}

fn kind(model: &Model, name: &str) -> String {
    let shape = model.shape(name);
    match model.kind(name) {
        "boolean" => "Kind::Boolean".to_owned(),
        "integer" => "Kind::Integer".to_owned(),
        "long" | "bigInteger" => "Kind::Long".to_owned(),
        "float" | "double" | "bigDecimal" => "Kind::Double".to_owned(),
        "blob" if model.is(name, "streaming") => "Kind::Stream".to_owned(),
        "blob" => "Kind::Blob".to_owned(),
        "timestamp" => match shape.get("timestampFormat").and_then(Value::as_str) {
            None => "Kind::Timestamp(None)".to_owned(),
            Some("iso8601") => "Kind::Timestamp(Some(TimestampFormat::DateTime))".to_owned(),
            Some("rfc822") => "Kind::Timestamp(Some(TimestampFormat::HttpDate))".to_owned(),
            Some(_) => "Kind::Timestamp(Some(TimestampFormat::EpochSeconds))".to_owned(),
        },
        "list" => format!(
            "Kind::List(&ListSchema {{ item: {}, flattened: {} }})",
            inner(model, &shape["member"], "member"),
            model.is(name, "flattened"),
        ),
        "map" => format!(
            "Kind::Map(&MapSchema {{ key: {}, value: {}, entry: {:?}, flattened: {} }})",
            inner(model, &shape["key"], "key"),
            inner(model, &shape["value"], "value"),
            shape.get("entryName").and_then(Value::as_str),
            model.is(name, "flattened"),
        ),
        _ if model.enum_values(name).is_some() => {
            format!("Kind::Enum(enums::{}::TEXTS)", model.type_name(name))
        }
        _ => "Kind::Text".to_owned(),
    }
}

/// An item, a key or a value.
fn inner(model: &Model, member: &Value, default: &str) -> String {
    let shape = member["shape"].as_str().unwrap_or_default();
    let name = member.get("locationName").and_then(Value::as_str).unwrap_or(default);
    format!("Member::new({name:?}, &{})", model.static_name(shape))
}

fn structure(model: &Model, name: &str) -> String {
    let shape = model.shape(name);
    let payload = shape.get("payload").and_then(Value::as_str);
    let members: String = model
        .members(name)
        .into_iter()
        .map(|(member, value)| {
            let required = model.is_required(name, member);
            self::member(model, member, value, required, payload == Some(member)) + ","
        })
        .collect();
    let mut out = format!("StructSchema::new(&[{members}])");
    if model.is(name, "union") {
        out.push_str(".union()");
    }
    if let Some(xml_name) = shape.get("locationName").and_then(Value::as_str) {
        let _ = write!(out, ".xml_name({xml_name:?})");
    }
    let namespace = shape.get("xmlNamespace");
    let text = |key: &str| namespace.and_then(|namespace| namespace.get(key)?.as_str());
    if let (Some(prefix), Some(uri)) = (text("prefix"), text("uri")) {
        let _ = write!(out, ".xml_namespace({prefix:?}, {uri:?})");
    }
    if model.is(name, "exception") {
        out.push_str(&error(name, shape));
    }
    out
}

fn member(model: &Model, name: &str, value: &Value, required: bool, payload: bool) -> String {
    let mut out = format!("Member::new({name:?}, &{})", model.table_of(value));
    if let Some(query) = value.get("queryName").and_then(Value::as_str) {
        let wire = value.get("locationName").and_then(Value::as_str).unwrap_or(name);
        if query != upper_first(wire) {
            let _ = write!(out, ".ec2_name({query:?})");
        }
    }
    if let Some(wire) = value.get("locationName").and_then(Value::as_str).filter(|w| *w != name) {
        let _ = write!(out, ".wire({wire:?})");
    }
    let flag = |flag: &str| value.get(flag) == Some(&Value::Bool(true));
    let location = match value.get("location").and_then(Value::as_str) {
        _ if payload || flag("eventpayload") => Some("Payload"),
        _ if flag("eventheader") => Some("Header"),
        Some("uri") => Some("Label"),
        Some("querystring") => Some("Query"),
        Some("header") => Some("Header"),
        Some("headers") => Some("Headers"),
        Some("statusCode") => Some("Status"),
        _ => None,
    };
    if let Some(location) = location {
        let _ = write!(out, ".at(Location::{location})");
    }
    for (set, call) in [
        (required, ".required()"),
        (flag("idempotencyToken"), ".token()"),
        (flag("xmlAttribute"), ".attribute()"),
    ] {
        if set {
            out.push_str(call);
        }
    }
    out
}

fn upper_first(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn error(name: &str, shape: &Value) -> String {
    let error = shape.get("error").unwrap_or(&Value::Null);
    let code = error.get("code").and_then(Value::as_str).unwrap_or(name);
    let fault = shape.get("fault") == Some(&Value::Bool(true));
    let status = error.get("httpStatusCode").and_then(Value::as_u64);
    let status = status.unwrap_or(if fault { 500 } else { 400 });
    let whose = if fault || status >= 500 { "Receiver" } else { "Sender" };
    format!(".error({code:?}, {status}, Fault::{whose})")
}
