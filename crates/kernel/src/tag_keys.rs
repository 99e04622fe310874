//! Condition keys of tags, which all services have in common. AWS docs: *IAM User Guide > AWS
//! global condition context keys*.

use haar_wire::Json;

type Key = (String, Vec<String>);

/// `aws:RequestTag/NAME` and `aws:TagKeys`, from the tags that a call brings (a list of pairs or
/// a map, as its input has them) and the names that it takes away.
pub fn request_tags(given: &Json, removed: &Json) -> Vec<Key> {
    let mut tags: Vec<(String, String)> = Vec::new();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    for (name, value) in given.as_object().into_iter().flatten() {
        tags.push((name.clone(), text(value)));
    }
    for pair in given.as_array().into_iter().flatten() {
        let member = |upper: &str, lower: &str| pair.get(upper).or_else(|| pair.get(lower));
        if let Some(name) = member("Key", "key").and_then(Json::as_str) {
            tags.push((name.to_owned(), member("Value", "value").map(text).unwrap_or_default()));
        }
    }
    let removed = removed.as_array().into_iter().flatten();
    let mut names: Vec<String> = tags.iter().map(|(name, _)| name.clone()).collect();
    names.extend(removed.filter_map(Json::as_str).map(str::to_owned));
    let key = |(name, value)| (format!("aws:RequestTag/{name}"), vec![value]);
    let mut keys: Vec<Key> = tags.into_iter().map(key).collect();
    if !names.is_empty() {
        keys.push(("aws:TagKeys".to_owned(), names));
    }
    keys
}

/// `aws:ResourceTag/NAME` for the tags of a resource.
pub fn resource_tags<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Vec<Key> {
    let key = |(name, value): (&String, &String)| {
        (format!("aws:ResourceTag/{name}"), vec![value.clone()])
    };
    tags.into_iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(given: Json, removed: Json) -> Vec<String> {
        let shown = |(key, values): Key| format!("{key}={}", values.join(","));
        request_tags(&given, &removed).into_iter().map(shown).collect()
    }

    #[test]
    fn tags_are_read_in_all_forms_that_inputs_have() {
        let expected = ["aws:RequestTag/a=1", "aws:RequestTag/b=2", "aws:TagKeys=a,b"];
        assert_eq!(keys(json!({ "a": "1", "b": "2" }), Json::Null), expected);
        let upper = json!([{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }]);
        assert_eq!(keys(upper, Json::Null), expected);
        let lower = json!([{ "key": "a", "value": "1" }, { "key": "b", "value": "2" }]);
        assert_eq!(keys(lower, Json::Null), expected);
        assert_eq!(keys(Json::Null, json!(["c"])), ["aws:TagKeys=c"]);
        assert!(keys(Json::Null, Json::Null).is_empty());
    }
}
