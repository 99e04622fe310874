//! Parameters that are paths into the event.
//!
//! AWS docs: *Amazon EventBridge Pipes targets > Dynamic path parameters*: the whole value is a path,
//! in any text that is no enum; no keys of headers are.

use haar_pattern::Path;
use serde_json::Value;

/// The parameters with what their paths lead to. A path that leads nowhere is refused: *ours*.
pub(crate) fn resolve(given: &Value, view: &Value) -> Result<Value, String> {
    match given {
        Value::String(text) if text.starts_with('$') => match Path::parse(text) {
            None => Ok(given.clone()),
            Some(path) => match path.find(view) {
                Some(Value::Null) | None => Err(format!("{text} leads to nothing in the event")),
                Some(Value::String(found)) => Ok(Value::from(found)),
                Some(other) => Ok(Value::from(other.to_string())),
            },
        },
        Value::Array(items) => items.iter().map(|item| resolve(item, view)).collect(),
        Value::Object(members) => {
            let each = |(name, value): (&String, &Value)| {
                resolve(value, view).map(|value| (name.clone(), value))
            };
            members.iter().map(each).collect::<Result<_, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_values_are_paths_at_any_depth_and_parts_are_not() {
        let view = json!({"body": {"id": 7, "name": "n", "tags": ["a"]}});
        let given = json!({
            "PartitionKey": "$.body.name",
            "Overrides": {"Environment": [{"name": "ID", "value": "$.body.id"}], "Cpu": 5},
            "Tags": "$.body.tags",
            "Text": "id $.body.id",
            "Price": "$5",
        });
        let expected = json!({
            "PartitionKey": "n",
            "Overrides": {"Environment": [{"name": "ID", "value": "7"}], "Cpu": 5},
            "Tags": "[\"a\"]",
            "Text": "id $.body.id",
            "Price": "$5",
        });
        assert_eq!(resolve(&given, &view), Ok(expected));
        let gone = resolve(&json!({"PartitionKey": "$.body.gone"}), &view);
        assert_eq!(gone, Err("$.body.gone leads to nothing in the event".to_owned()));
    }
}
