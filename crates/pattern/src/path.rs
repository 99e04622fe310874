//! JSON paths of targets, transformers and parameters: `$.detail.items[0].name`.

use serde_json::Value;

/// A path, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    /// `*` and `[*]`: everything within.
    All,
}

impl Path {
    /// Reads a path; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(dotted) = rest.strip_prefix('.') {
                let end = dotted.find(['.', '[']).unwrap_or(dotted.len());
                let (name, behind) = dotted.split_at(end);
                steps.push(match name {
                    "" => return None,
                    "*" => Step::All,
                    name => Step::Name(name.to_owned()),
                });
                rest = behind;
            } else {
                let (inner, behind) = rest.strip_prefix('[')?.split_once(']')?;
                steps.push(bracket(inner)?);
                rest = behind;
            }
        }
        Some(Self(steps))
    }

    /// What stands there; with a star in the path, a list.
    pub fn find(&self, root: &Value) -> Option<Value> {
        let mut found = vec![root];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.within(value)).collect();
        }
        match self.0.contains(&Step::All) {
            true if found.is_empty() => None,
            true => Some(Value::Array(found.into_iter().cloned().collect())),
            false => found.first().map(|value| (*value).clone()),
        }
    }
}

fn bracket(inner: &str) -> Option<Step> {
    let quoted = |mark| inner.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    match quoted('\'').or_else(|| quoted('"')) {
        Some(name) => Some(Step::Name(name.to_owned())),
        None if inner == "*" => Some(Step::All),
        None => inner.parse().ok().map(Step::Index),
    }
}

impl Step {
    fn within<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match (self, value) {
            (Self::Name(name), value) => value.get(name).into_iter().collect(),
            (Self::Index(index), value) => value.get(index).into_iter().collect(),
            (Self::All, Value::Array(items)) => items.iter().collect(),
            (Self::All, Value::Object(fields)) => fields.values().collect(),
            (Self::All, _) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let event = json!({"detail": {"a.b": 1, "list": [{"n": "x"}, {"n": "y"}]}});
        let find = |text: &str| Path::parse(text).unwrap().find(&event);
        assert_eq!(find("$"), Some(event.clone()));
        assert_eq!(find("$.detail.list[1].n"), Some(json!("y")));
        assert_eq!(find("$.detail['a.b']"), Some(json!(1)));
        assert_eq!(find("$.detail.list[*].n"), Some(json!(["x", "y"])));
        assert_eq!(find("$.detail.none.deeper"), None);
        for text in ["", "detail", "$.", "$..a", "$[", "$.a[x]"] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }
}
