//! Filter criteria. AWS docs: *Control which events Lambda sends to your function*.

use haar_pattern::{Dialect, Pattern, PatternError};
use serde_json::Value;

/// Patterns of which one must match. Without any all is wanted.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    patterns: Vec<(Pattern, Value)>,
    /// One of them is empty, which matches all.
    wants_all: bool,
}

impl Filters {
    /// Reads patterns.
    ///
    /// # Errors
    /// When one is none.
    pub fn compile<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let mut filters = Self::default();
        for text in texts {
            let tree: Value = serde_json::from_str(text).unwrap_or_default();
            if tree.as_object().is_some_and(serde_json::Map::is_empty) {
                filters.wants_all = true;
                continue;
            }
            filters.patterns.push((Pattern::compile(text, &Dialect::PIPE)?, tree));
        }
        Ok(filters)
    }

    /// True where nothing is dropped.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty() || self.wants_all
    }

    /// True for a record that one pattern matches. `payload` names the member that holds the
    /// sender's own text (`body`, `data`): where a pattern looks into it and it is JSON, it is
    /// looked at as such; a pattern that wants an object there drops plain texts, and the
    /// other way round.
    pub fn want(&self, view: &Value, payload: Option<&str>) -> bool {
        if self.is_empty() {
            return true;
        }
        let parsed = payload.and_then(|member| parsed(view, member));
        self.patterns.iter().any(|(pattern, tree)| {
            let asks_within = payload.is_some_and(|member| tree[member].is_object());
            match (&parsed, asks_within) {
                (Some(parsed), true) => pattern.matches(parsed),
                _ => pattern.matches(view),
            }
        })
    }
}

/// The record with its payload read as JSON, where it is an object.
fn parsed(view: &Value, member: &str) -> Option<Value> {
    let inner: Value = serde_json::from_str(view[member].as_str()?).ok()?;
    if !inner.is_object() {
        return None;
    }
    let mut view = view.clone();
    view[member] = inner;
    Some(view)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_looks_into_json_and_a_plain_one_at_the_text() {
        let filters = Filters::compile([r#"{"body":{"n":[{"numeric":[">",5]}]}}"#]).unwrap();
        let want = |body: &str| filters.want(&json!({ "body": body }), Some("body"));
        assert!(want(r#"{"n":6}"#));
        assert!(!want(r#"{"n":5}"#));
        assert!(!want("six") && !want("[6]"));
        let plain = Filters::compile([r#"{"body":["six"]}"#]).unwrap();
        assert!(plain.want(&json!({ "body": "six" }), Some("body")));
        assert!(!plain.want(&json!({ "body": "{}" }), Some("body")));
    }

    #[test]
    fn one_pattern_of_several_suffices_and_none_wants_all() {
        let filters = Filters::compile([r#"{"a":[1]}"#, r#"{"b":[2]}"#]).unwrap();
        assert!(filters.want(&json!({ "b": 2 }), None));
        assert!(!filters.want(&json!({ "b": 3 }), None));
        assert!(Filters::default().want(&json!({}), None));
        let all = Filters::compile(["{}", r#"{"a":[1]}"#]).unwrap();
        assert!(all.is_empty() && all.want(&json!({ "a": 2 }), None));
    }
}
