//! Other names for the principals of a policy's text.

use serde_json::Value;

/// The text with other names for the entries of its `AWS` lists, where `name` knows one; the very
/// same text where it knows none, or where the text is no policy.
pub fn with_principals(text: &str, name: impl Fn(&str) -> Option<String>) -> String {
    let Ok(mut policy) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let mut is_changed = false;
    for entry in entries(&mut policy) {
        if let Some(other) = entry.as_str().and_then(&name) {
            is_changed |= entry.as_str() != Some(other.as_str());
            *entry = Value::String(other);
        }
    }
    if is_changed { policy.to_string() } else { text.to_owned() }
}

fn entries(policy: &mut Value) -> Vec<&mut Value> {
    let statements = policy.get_mut("Statement").map(listed).unwrap_or_default();
    let members = statements.into_iter().filter_map(Value::as_object_mut).flatten();
    let principals =
        members.filter(|(name, _)| matches!(name.as_str(), "Principal" | "NotPrincipal"));
    principals.filter_map(|(_, principal)| principal.get_mut("AWS")).flat_map(listed).collect()
}

/// The items of a list; anything else is a list of itself.
fn listed(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Array(items) => items.iter_mut().collect(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_principals_are_given_other_names() {
        let name = |text: &str| (text == "123456789012").then(|| "root".to_owned());
        let text = r#"{"Version": "2012-10-17", "Statement": [
            {"Principal": {"AWS": "123456789012", "Service": "123456789012"},
             "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}},
            {"NotPrincipal": {"AWS": ["*", "123456789012"]}, "Principal": "*"}]}"#;
        let wanted = r#"{"Version":"2012-10-17","Statement":[{"Principal":{"AWS":"root","Service":"123456789012"},"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}},{"NotPrincipal":{"AWS":["*","root"]},"Principal":"*"}]}"#;
        assert_eq!(with_principals(text, name), wanted);
        assert_eq!(with_principals(text, |_| None), text);
        for junk in ["", "[]", r#"{"Statement":{"Principal":{"AWS":{}}}}"#] {
            assert_eq!(with_principals(junk, name), junk);
        }
    }
}
