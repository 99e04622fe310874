//! Templates with variables in angle brackets: input transformers of rules and of pipes.
//!
//! AWS docs: *Amazon EventBridge User Guide > Input transformation*.

use serde_json::Value;

/// What stands for a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Filling {
    /// JSON outside quotes, plain text within.
    Value(Value),
    /// Already a text for its place.
    Raw(String),
}

/// Fills a template. A variable within quotes becomes its plain text, one outside becomes JSON;
/// one that leads nowhere (`None`) becomes nothing within quotes and, *ours*, `null` outside.
/// What is in brackets and is no variable stays as it is.
pub fn fill(
    template: &str,
    is_variable: impl Fn(&str) -> bool,
    filling: impl Fn(&str) -> Option<Filling>,
) -> String {
    let mut filled = String::with_capacity(template.len() + 64);
    let (mut in_text, mut rest) = (false, template);
    while let Some(letter) = rest.chars().next() {
        if letter == '<'
            && let Some((name, behind)) = rest[1..].split_once('>')
            && is_variable(name)
        {
            match filling(name) {
                Some(Filling::Value(value)) if in_text => filled.push_str(&within_text(&value)),
                Some(Filling::Value(value)) => filled.push_str(&value.to_string()),
                Some(Filling::Raw(text)) => filled.push_str(&text),
                None if in_text => {}
                None => filled.push_str("null"),
            }
            rest = behind;
            continue;
        }
        let length = match letter {
            '\\' if in_text => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            other => other.len_utf8(),
        };
        in_text ^= letter == '"';
        filled.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    filled
}

/// A value within quotes: a text as it is, escaped; JSON without its quotes, escaped too.
fn within_text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string().replace('"', ""),
    };
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> String {
        let is_variable = |name: &str| ["text", "object", "gone", "raw"].contains(&name);
        fill(template, is_variable, |name| match name {
            "text" => Some(Filling::Value(json!("a \"b\""))),
            "object" => Some(Filling::Value(json!({"k": "v"}))),
            "raw" => Some(Filling::Raw("{}".to_owned())),
            _ => None,
        })
    }

    #[test]
    fn variables_become_json_or_plain_text_by_their_place() {
        assert_eq!(
            filled(r#"{"t": <text>, "o": <object>}"#),
            r#"{"t": "a \"b\"", "o": {"k":"v"}}"#
        );
        assert_eq!(filled(r#""<text> in <object>""#), r#""a \"b\" in {k:v}""#);
        assert_eq!(
            filled(r#"{"q": "\"<text>\""}"#),
            r#"{"q": "\"a \"b\"\""}"#.replace(r#"a "b""#, r#"a \"b\""#)
        );
        assert_eq!(
            filled(r#"{"r": <raw>, "g": <gone>, "h": "x<gone>y"}"#),
            r#"{"r": {}, "g": null, "h": "xy"}"#
        );
        assert_eq!(filled("1 < 2 <other>"), "1 < 2 <other>");
    }

    #[test]
    fn json_within_quotes_leaves_json() {
        let value = json!({"path": "C:\\dir", "said": "\"xyz\"", "lines": "a\nb"});
        let made = fill(r#"{"t": "<v>"}"#, |_| true, |_| Some(Filling::Value(value.clone())));
        let read: Value = serde_json::from_str(&made).unwrap();
        assert_eq!(read["t"], r"{path:C:\\dir,said:\xyz\,lines:a\nb}");
    }
}
