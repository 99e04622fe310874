//! Lengths, ranges and patterns of the model, in AWS's words.

use crate::report::Report;
use crate::schema::{Kind, Schema};
use crate::shape::set_members;
use crate::value::{List, Map, View};
use crate::{Shape, Value};

/// Characters of a value that a message quotes at most.
const QUOTED_MAX: usize = 1024;

/// Notes every violation in a shape and all below it.
pub(crate) fn check_shape(shape: &dyn Shape, report: &mut Report) {
    if !is_right(View::Structure(shape), shape.schema()) {
        note_shape(shape, report);
    }
}

/// Whether nothing is wrong with a value and all below it; where it is, costs no memory.
fn is_right(view: View<'_>, schema: &'static Schema) -> bool {
    let is_right_below = || match (view, schema.kind) {
        (View::Structure(shape), _) => {
            set_members(shape).all(|(_, member, view)| is_right(view, member.schema))
        }
        (View::List(list), Kind::List(row)) => {
            (0..list.len()).all(|index| is_right(list.item(index).view(), row.item.schema))
        }
        (View::Map(map), Kind::Map(row)) => {
            let mut all = true;
            map.each(&mut |name, entry| {
                all = all
                    && broken(View::Text(name), row.key.schema).is_empty()
                    && is_right(entry.view(), row.value.schema);
            });
            all
        }
        _ => true,
    };
    broken(view, schema).is_empty() && is_right_below()
}

fn note_shape(shape: &dyn Shape, report: &mut Report) {
    for (_, member, view) in set_members(shape) {
        report.in_member(member.name, |report| {
            if !report.is_missing() {
                check(view, member.schema, report);
            }
        });
    }
}

fn check(view: View<'_>, schema: &'static Schema, report: &mut Report) {
    for constraint in broken(view, schema) {
        let quoted = (!schema.sensitive).then(|| format!("'{}'", quote(view, schema)));
        match is_plain(schema) {
            true => report.plain_violation(quoted.as_deref(), &constraint),
            false => report.violation(quoted.as_deref(), &constraint),
        }
    }
    check_below(view, schema, report);
}

/// What is wrong within a value, and not with itself.
fn check_below(view: View<'_>, schema: &'static Schema, report: &mut Report) {
    match (view, schema.kind) {
        (View::Structure(shape), _) => note_shape(shape, report),
        (View::List(list), Kind::List(row)) => check_items(list, schema, row.item.schema, report),
        (View::Map(map), Kind::Map(row)) => {
            check_entries(map, schema, row.key.schema, row.value.schema, report);
        }
        _ => {}
    }
}

/// Items that are plain values are judged as one: `Member must satisfy constraint: […]`.
fn check_items(list: &dyn List, schema: &Schema, item: &'static Schema, report: &mut Report) {
    let mut whole = None;
    for index in 0..list.len() {
        let view = list.item(index).view();
        if is_plain(item) {
            whole = whole.or_else(|| (!broken(view, item).is_empty()).then_some(()));
        } else {
            report.in_item(index + 1, |report| check(view, item, report));
        }
    }
    if whole.is_some() {
        let quoted = (!schema.sensitive && !item.sensitive)
            .then(|| format!("'{}'", quote(View::List(list), schema)));
        let constraint = format!("Member must satisfy constraint: {}", all_of(item));
        report.violation(quoted.as_deref(), &constraint);
    }
}

/// Values, as keys, are judged as one, lists among them: `Map value must satisfy constraint: […]`.
fn check_entries(
    map: &dyn Map,
    schema: &Schema,
    key: &'static Schema,
    value: &'static Schema,
    report: &mut Report,
) {
    let (mut keys, mut values) = (false, false);
    map.each(&mut |name, entry: &dyn Value| {
        keys |= !broken(View::Text(name), key).is_empty();
        values |= !broken(entry.view(), value).is_empty();
        report.in_key(name, |report| check_below(entry.view(), value, report));
    });
    let hidden = schema.sensitive || key.sensitive || value.sensitive;
    let quoted = (!hidden).then(|| format!("'{}'", quote(View::Map(map), schema)));
    if keys {
        let constraint = format!("Map keys must satisfy constraint: {}", all_of(key));
        report.violation(quoted.as_deref(), &constraint);
    }
    if values {
        let constraint = format!("Map value must satisfy constraint: {}", all_of(value));
        report.violation(quoted.as_deref(), &constraint);
    }
}

fn is_plain(schema: &Schema) -> bool {
    !matches!(schema.kind, Kind::List(_) | Kind::Map(_) | Kind::Structure(_))
}

/// Which of its own constraints a value breaks.
fn broken(view: View<'_>, schema: &Schema) -> Vec<String> {
    let mut out = Vec::new();
    if let (View::Text(text), Some(pattern)) = (view, schema.pattern)
        && !pattern.matches(text)
    {
        out.push(pattern_words(pattern.source()));
    }
    if let (View::Text(text), Kind::Enum(values)) = (view, schema.kind)
        && !values.contains(&text)
    {
        out.push(enum_words(values));
    }
    if schema.min.is_none() && schema.max.is_none() {
        return out;
    }
    let Some(size) = size(view) else { return out };
    if schema.min.is_some_and(|min| size < min as f64) {
        out.extend(min_words(schema));
    }
    if schema.max.is_some_and(|max| size > max as f64) {
        out.extend(max_words(schema));
    }
    out
}

fn size(view: View<'_>) -> Option<f64> {
    Some(match view {
        View::Integer(number) => number as f64,
        View::Double(number) => number,
        View::Text(text) => text.chars().count() as f64,
        View::Blob(bytes) => bytes.len() as f64,
        View::List(list) => list.len() as f64,
        View::Map(map) => map.len() as f64,
        _ => return None,
    })
}

/// All constraints of a plain shape, as AWS lists them for items, keys and values.
fn all_of(schema: &Schema) -> String {
    let mut out: Vec<String> = Vec::new();
    out.extend(max_words(schema));
    out.extend(min_words(schema));
    if let Some(pattern) = schema.pattern {
        out.push(pattern_words(pattern.source()));
    }
    if let Kind::Enum(values) = schema.kind {
        out.push(enum_words(values));
    }
    format!("[{}]", out.join(", "))
}

fn min_words(schema: &Schema) -> Option<String> {
    let min = schema.min?;
    Some(format!("Member must have {} greater than or equal to {min}", measure(schema)))
}

fn max_words(schema: &Schema) -> Option<String> {
    let max = schema.max?;
    Some(format!("Member must have {} less than or equal to {max}", measure(schema)))
}

fn pattern_words(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn enum_words(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

fn measure(schema: &Schema) -> &'static str {
    match schema.kind {
        Kind::Integer | Kind::Long | Kind::Double => "value",
        _ => "length",
    }
}

/// A value as Java prints it: `[a, b]`, `{k=v}`, `Tag(key=k, value=v)`.
fn quote(view: View<'_>, schema: &Schema) -> String {
    let mut out = String::new();
    write_quoted(view, schema, &mut out);
    if let Some((end, _)) = out.char_indices().nth(QUOTED_MAX) {
        out.truncate(end);
    }
    out
}

fn write_quoted(view: View<'_>, schema: &Schema, out: &mut String) {
    if out.len() > QUOTED_MAX * size_of::<char>() {
        return; // the rest is cut off
    }
    if schema.sensitive {
        out.push_str("***");
        return;
    }
    match (view, schema.kind) {
        (View::Text(text), _) => out.push_str(text),
        (View::Boolean(flag), _) => out.push_str(if flag { "true" } else { "false" }),
        (View::Integer(number), _) => out.push_str(&number.to_string()),
        (View::Double(number), _) => out.push_str(&format!("{number:?}")),
        (View::Timestamp(at), _) => out.push_str(&at.iso()),
        (View::Blob(bytes), _) => {
            let size = bytes.len();
            out.push_str(&format!("java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]"));
        }
        (View::List(list), Kind::List(row)) => {
            out.push('[');
            for index in 0..list.len() {
                comma(index, out);
                write_quoted(list.item(index).view(), row.item.schema, out);
            }
            out.push(']');
        }
        (View::Map(map), Kind::Map(row)) => {
            out.push('{');
            let mut index = 0;
            map.each(&mut |key, value| {
                comma(index, out);
                index += 1;
                out.push_str(key);
                out.push('=');
                write_quoted(value.view(), row.value.schema, out);
            });
            out.push('}');
        }
        (View::Structure(shape), _) => {
            out.push_str(schema.name);
            out.push('(');
            for (index, (_, member, view)) in set_members(shape).enumerate() {
                comma(index, out);
                out.push_str(member.name);
                out.push('=');
                write_quoted(view, member.schema, out);
            }
            out.push(')');
        }
        _ => {}
    }
}

fn comma(index: usize, out: &mut String) {
    if index > 0 {
        out.push_str(", ");
    }
}
