//! Values between the wire and the room.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use haar_dynamodb_contract::AttributeValue;
use haar_wire::AwsError;

use crate::refusal::{invalid, invalid_parameter};
use crate::rules::number::Number;
use crate::rules::value::{Attr, Item};

/// Levels of lists and maps in an item at most.
const DEPTH_MAX: usize = 32;

/// Attributes as a request brings them.
pub(crate) type WireItem = BTreeMap<String, AttributeValue>;

/// Reads an item, a key or values of an expression.
pub(crate) fn item(wire: WireItem) -> Result<Item, AwsError> {
    let mut read = Item::new();
    for (name, value) in wire {
        read.insert(name, attr(value)?);
    }
    if read.values().any(|value| value.depth() > DEPTH_MAX) {
        return Err(invalid(
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested \
             levels beyond supported limit",
        ));
    }
    Ok(read)
}

/// Reads one value.
pub(crate) fn attr(wire: AttributeValue) -> Result<Attr, AwsError> {
    let AttributeValue { s, n, b, ss, ns, bs, m, l, null, bool } = wire;
    let mut found = Vec::with_capacity(1);
    found.extend(s.map(|text| Ok(Attr::S(text))));
    found.extend(n.map(|text| number(&text).map(Attr::N)));
    found.extend(b.map(|bytes| Ok(Attr::B(bytes))));
    found.extend(ss.map(texts));
    found.extend(ns.map(numbers));
    found.extend(bs.map(binaries));
    found.extend(m.map(|map| map_of(map).map(Attr::M)));
    found.extend(l.map(|list| list.into_iter().map(attr).collect::<Result<_, _>>().map(Attr::L)));
    found.extend(null.map(null_of));
    found.extend(bool.map(|flag| Ok(Attr::Bool(flag))));
    match (found.pop(), found.is_empty()) {
        (Some(value), true) => value,
        (None, _) => Err(invalid(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        )),
        (Some(_), false) => Err(invalid(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of \
             the supported datatypes",
        )),
    }
}

fn map_of(wire: WireItem) -> Result<Item, AwsError> {
    wire.into_iter().map(|(name, value)| Ok((name, attr(value)?))).collect()
}

fn number(text: &str) -> Result<Number, AwsError> {
    Number::parse(text).map_err(|error| invalid(error.to_string()))
}

fn null_of(flag: bool) -> Result<Attr, AwsError> {
    match flag {
        true => Ok(Attr::Null),
        false => Err(invalid_parameter("Null attribute value types must have the value of true")),
    }
}

fn texts(mut set: Vec<String>) -> Result<Attr, AwsError> {
    if set.is_empty() {
        return Err(invalid_parameter("An string set  may not be empty"));
    }
    let shown = format!("[{}]", set.join(", "));
    let count = set.len();
    set.sort();
    set.dedup();
    match set.len() == count {
        true => Ok(Attr::Ss(set)),
        false => Err(invalid_parameter(format!("Input collection {shown} contains duplicates."))),
    }
}

fn numbers(set: Vec<String>) -> Result<Attr, AwsError> {
    if set.is_empty() {
        return Err(invalid_parameter("An number set  may not be empty"));
    }
    let mut numbers = set.iter().map(|text| number(text)).collect::<Result<Vec<_>, _>>()?;
    numbers.sort();
    numbers.dedup();
    match numbers.len() == set.len() {
        true => Ok(Attr::Ns(numbers)),
        false => Err(invalid("Input collection contains duplicates")),
    }
}

fn binaries(mut set: Vec<Bytes>) -> Result<Attr, AwsError> {
    if set.is_empty() {
        return Err(invalid_parameter("Binary sets should not be empty"));
    }
    let shown: Vec<String> = set.iter().map(|bytes| STANDARD.encode(bytes)).collect();
    set.sort();
    set.dedup();
    match set.len() == shown.len() {
        true => Ok(Attr::Bs(set)),
        false => Err(invalid_parameter(format!(
            "Input collection [{}]of type BS contains duplicates.",
            shown.join(", ")
        ))),
    }
}

/// Writes an item.
pub(crate) fn to_wire(item: Item) -> WireItem {
    item.into_iter().map(|(name, value)| (name, to_wire_value(value))).collect()
}

/// Writes one value.
pub(crate) fn to_wire_value(value: Attr) -> AttributeValue {
    let mut wire = AttributeValue::default();
    match value {
        Attr::S(text) => wire.s = Some(text),
        Attr::N(number) => wire.n = Some(number.to_string()),
        Attr::B(bytes) => wire.b = Some(bytes),
        Attr::Ss(set) => wire.ss = Some(set),
        Attr::Ns(set) => wire.ns = Some(set.iter().map(Number::to_string).collect()),
        Attr::Bs(set) => wire.bs = Some(set),
        Attr::M(map) => wire.m = Some(to_wire(map)),
        Attr::L(list) => wire.l = Some(list.into_iter().map(to_wire_value).collect()),
        Attr::Null => wire.null = Some(true),
        Attr::Bool(flag) => wire.bool = Some(flag),
    }
    wire
}
