//! Whether patterns have wildcards, of which a bus has few.

use serde_json::Value;

/// True for a pattern that asks for a wildcard anywhere.
pub(crate) fn are_in(pattern: &str) -> bool {
    // spares reading most
    pattern.contains("wildcard")
        && serde_json::from_str(pattern).is_ok_and(|pattern| of_fields(&pattern))
}

/// Of an object of fields, each with what it may be, or with an object of further fields.
fn of_fields(fields: &Value) -> bool {
    let Value::Object(fields) = fields else { return false };
    fields.iter().any(|(name, value)| match value {
        Value::Array(all) if name == "$or" => all.iter().any(of_fields),
        Value::Array(all) => all.iter().any(is_wildcard),
        _ => of_fields(value),
    })
}

/// `{"wildcard": …}`, be it within `{"anything-but": …}`.
fn is_wildcard(matcher: &Value) -> bool {
    matcher.get("wildcard").is_some()
        || matcher.get("anything-but").is_some_and(|other| other.get("wildcard").is_some())
}
