//! Structures, enums, events and errors.

use std::fmt::Write;

use serde_json::Value;

use super::model::Model;
use super::names;

const IMPORTS: &str = "use std::collections::BTreeMap;\n\n\
    use bytes::Bytes;\n
    use haar_types::Timestamp;\n
    use haar_wire::{Body, EventStream, Json, error_shape, events, shape};\n\n\
    use super::{enums::*, tables};\n\n";

/// `shapes.rs`: structures that are no errors, and event streams.
pub(super) fn structures_file(model: &Model) -> String {
    let mut out = format!("//! Structures of the model.\n\n{IMPORTS}");
    for name in structures(model).filter(|name| !model.is(name, "exception")) {
        match model.is(name, "eventstream") {
            true => event_enum(model, name, &mut out),
            false => structure(model, name, &mut out),
        }
    }
    out
}

/// `errors.rs`: structures that are errors.
pub(super) fn errors_file(model: &Model) -> String {
    let mut out = format!("//! Errors of the model.\n\n{IMPORTS}use super::shapes::*;\n\n");
    for name in structures(model).filter(|name| model.is(name, "exception")) {
        structure(model, name, &mut out);
        let message = model.members(name).into_iter().find(|(member, value)| {
            member.eq_ignore_ascii_case("message") && rust_type(model, value) == "String"
        });
        let ident = model.type_name(name);
        let _ = match message {
            Some((member, _)) => {
                writeln!(out, "error_shape!({ident}, {});", names::field(member))
            }
            None => writeln!(out, "error_shape!({ident});"),
        };
    }
    out
}

/// `enums.rs`: texts out of closed lists.
pub(super) fn enums_file(model: &Model) -> String {
    let mut out = String::from("//! Enums of the model.\n\nuse haar_wire::text_enum;\n\n");
    for name in &model.reached {
        let Some(values) = model.enum_values(name) else { continue };
        let _ = writeln!(out, "text_enum!({} {{", model.type_name(name));
        for (variant, value) in names::variants(&values).iter().zip(&values) {
            let _ = writeln!(out, "    {variant} = {value:?},");
        }
        out.push_str("});\n");
    }
    out
}

fn structures(model: &Model) -> impl Iterator<Item = &String> {
    let is_structure = |name: &&String| model.kind(name) == "structure";
    model.reached.iter().filter(is_structure).filter(|name| !model.is(name, "document"))
}

fn structure(model: &Model, name: &str, out: &mut String) {
    let streams = model.streams(name);
    let derives = if streams { "Default" } else { "Clone, Default" };
    let ident = model.type_name(name);
    let _ = writeln!(out, "#[derive({derives})]\npub struct {ident} {{");
    let mut wiring = String::new();
    for (index, (member, value)) in model.members(name).into_iter().enumerate() {
        let field = names::field(member);
        let mut kind = rust_type(model, value);
        if model.recursive.contains(value["shape"].as_str().unwrap_or_default()) {
            kind = format!("Box<{kind}>");
        }
        let bare =
            model.is_required(name, member) || kind == "Body" || kind.starts_with("EventStream<");
        if !bare {
            kind = format!("Option<{kind}>");
        }
        let _ = writeln!(out, "    pub {field}: {kind},");
        let _ = write!(wiring, ", {index} {field}");
    }
    let is_mixed = model.mixed.iter().any(|mixed| mixed == name);
    if is_mixed {
        out.push_str("    pub row: Vec<&'static str>,\n");
    }
    let mark = match (streams, is_mixed) {
        (true, _) => "stream ",
        (_, true) => "mixed ",
        _ => "",
    };
    let table = model.static_name(name);
    let _ = writeln!(out, "}}\nshape!({mark}{ident}, tables::{table}{wiring});\n");
}

fn event_enum(model: &Model, name: &str, out: &mut String) {
    let (ident, table) = (model.type_name(name), model.static_name(name));
    let _ = writeln!(out, "events!({ident}, tables::{table} {{");
    for (index, (member, value)) in model.members(name).into_iter().enumerate() {
        let shape = value["shape"].as_str().unwrap_or_default();
        if !model.is(shape, "exception") {
            let variant = names::type_name(member);
            let _ = writeln!(out, "    {index} {variant}({}),", model.type_name(shape));
        }
    }
    out.push_str("});\n\n");
}

/// A member's type, before `Option`.
fn rust_type(model: &Model, reference: &Value) -> String {
    let name = reference["shape"].as_str().unwrap_or_default();
    let shape = model.shape(name);
    match model.kind(name) {
        "structure" if model.is(name, "document") => "Json".to_owned(),
        "structure" if model.is(name, "eventstream") => {
            format!("EventStream<{}>", model.type_name(name))
        }
        "structure" => model.type_name(name).to_owned(),
        "boolean" => "bool".to_owned(),
        "integer" => "i32".to_owned(),
        "long" | "bigInteger" => "i64".to_owned(),
        "float" | "double" | "bigDecimal" => "f64".to_owned(),
        "timestamp" => "Timestamp".to_owned(),
        "blob" if model.is_stream(name, reference) => "Body".to_owned(),
        "blob" => "Bytes".to_owned(),
        "list" => format!("Vec<{}>", rust_type(model, &shape["member"])),
        "map" => format!("BTreeMap<String, {}>", rust_type(model, &shape["value"])),
        _ if model.enum_values(name).is_some() => model.type_name(name).to_owned(),
        _ => "String".to_owned(),
    }
}
