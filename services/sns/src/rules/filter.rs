//! Which messages a subscription wants.
//!
//! AWS docs: *Amazon SNS Developer Guide > Amazon SNS subscription filter policies*.

use haar_pattern::{Dialect, Pattern};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::message::Message;
use crate::refusal::invalid;

const KEYS_MAX: usize = 5;
const COMBINATIONS_MAX: usize = 150;
const POLICY_BYTES_MAX: usize = 256 * 1024;

/// What a policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scope {
    #[default]
    Attributes,
    Body,
}

impl Scope {
    /// Reads `FilterPolicyScope`.
    pub(crate) fn read(text: &str) -> Result<Self, AwsError> {
        match text {
            "MessageAttributes" => Ok(Self::Attributes),
            "MessageBody" => Ok(Self::Body),
            _ => Err(invalid(format!(
                "FilterPolicyScope: Invalid value [{text}]. Please use either MessageBody or MessageAttributes"
            ))),
        }
    }

    /// As answers show it.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Attributes => "MessageAttributes",
            Self::Body => "MessageBody",
        }
    }
}

/// Reads a policy, as strictly as SNS does.
pub(crate) fn compile(text: &str, scope: Scope) -> Result<Pattern, AwsError> {
    let refuse = |reason: &str| invalid(format!("FilterPolicy: {reason}"));
    if text.len() > POLICY_BYTES_MAX {
        return Err(refuse("Filter policy is too long"));
    }
    let pattern = Pattern::compile(text, &Dialect::FILTER_POLICY);
    let pattern = pattern.map_err(|error| refuse(&error.to_string()))?;
    if scope == Scope::Attributes && pattern.is_nested() {
        return Err(refuse(
            "Filter policy scope MessageAttributes does not support nested filter policy",
        ));
    }
    let mut combinations = 0_usize;
    for alternative in pattern.leaves() {
        let (mut keys, mut product) = (0, 1_usize);
        for leaf in alternative {
            keys += 1;
            // Each level that a key lies below counts, as SNS has it.
            let depth = if scope == Scope::Body { leaf.path.len() } else { 1 };
            product = product.saturating_mul(leaf.values.max(1).saturating_mul(depth));
        }
        if keys > KEYS_MAX {
            return Err(refuse(&format!("Filter policy can not have more than {KEYS_MAX} keys")));
        }
        combinations = combinations.saturating_add(product);
    }
    match combinations > COMBINATIONS_MAX {
        true => Err(refuse("Filter policy is too complex")),
        false => Ok(pattern),
    }
}

/// Whether a subscription gets a message.
pub(crate) fn wants(pattern: &Pattern, scope: Scope, message: &Message) -> bool {
    match scope {
        Scope::Attributes => pattern.matches(&attributes(message)),
        Scope::Body => match serde_json::from_str::<Value>(&message.text) {
            Ok(body) if body.is_object() => pattern.matches(&body),
            _ => false, // only documents are matched
        },
    }
}

/// Attributes as a document. Bytes are ignored.
fn attributes(message: &Message) -> Value {
    let value = |data_type: &str, text: &str| match data_type.split('.').next() {
        Some("Number") => serde_json::from_str(text).ok().filter(Value::is_number),
        _ if data_type == "String.Array" => {
            serde_json::from_str(text).ok().filter(Value::is_array).or_else(|| Some(json!(text)))
        }
        _ => Some(json!(text)),
    };
    let shown = message
        .attributes
        .iter()
        .filter_map(|(name, it)| Some((name.clone(), value(&it.data_type, it.text.as_deref()?)?)));
    Value::Object(shown.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rules::message::Attribute;

    fn message(text: &str, attributes: &[(&str, &str, &str)]) -> Message {
        let attribute = |(name, data_type, text): &(&str, &str, &str)| {
            let attribute = Attribute {
                data_type: (*data_type).to_owned(),
                text: Some((*text).to_owned()),
                binary: None,
            };
            ((*name).to_owned(), attribute)
        };
        Message {
            message_id: "id".to_owned(),
            subject: None,
            text: text.to_owned(),
            texts: BTreeMap::new(),
            attributes: attributes.iter().map(attribute).collect(),
            group: None,
            deduplication: None,
        }
    }

    #[test]
    fn attributes_are_matched_by_their_type() {
        let sent = message(
            "x",
            &[
                ("store", "String", "example_corp"),
                ("price", "Number", "210.75"),
                ("interests", "String.Array", r#"["rugby","soccer"]"#),
                ("ip", "String", "10.1.2.3"),
            ],
        );
        for (policy, wanted) in [
            (r#"{"store":["example_corp"]}"#, true),
            (r#"{"store":["other"]}"#, false),
            (r#"{"store":[{"prefix":"ex"}],"price":[{"numeric":[">=",100]}]}"#, true),
            (r#"{"store":[{"suffix":"corp"}]}"#, true),
            (r#"{"store":[{"equals-ignore-case":"EXAMPLE_CORP"}]}"#, true),
            (r#"{"store":[{"anything-but":["other"]}]}"#, true),
            (r#"{"store":[{"anything-but":{"prefix":"ex"}}]}"#, false),
            (r#"{"price":[{"numeric":["<",100]}]}"#, false),
            (r#"{"interests":["soccer"]}"#, true),
            (r#"{"none":[{"exists":false}]}"#, true),
            (r#"{"store":[{"exists":false}]}"#, false),
            (r#"{"ip":[{"cidr":"10.0.0.0/8"}]}"#, true),
            (r#"{"$or":[{"store":["other"]},{"price":[210.75]}]}"#, true),
        ] {
            let pattern = compile(policy, Scope::Attributes).unwrap();
            assert_eq!(wants(&pattern, Scope::Attributes, &sent), wanted, "{policy}");
        }
    }

    #[test]
    fn a_body_is_matched_as_a_document_however_deep() {
        let pattern = compile(r#"{"a":{"b":["x"]}}"#, Scope::Body).unwrap();
        for (text, wanted) in [
            (r#"{"a":{"b":"x"}}"#, true),
            (r#"{"a":{"b":"y"}}"#, false),
            ("no JSON", false),
            ("[]", false),
        ] {
            assert_eq!(wants(&pattern, Scope::Body, &message(text, &[])), wanted, "{text}");
        }
        assert!(compile(r#"{"a":{"b":["x"]}}"#, Scope::Attributes).is_err());
    }

    #[test]
    fn a_policy_has_five_keys_and_150_combinations_at_most() {
        let keys = |count: usize| {
            let fields: Vec<String> = (0..count).map(|n| format!("\"k{n}\":[\"v\"]")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert!(compile(&keys(5), Scope::Attributes).is_ok());
        let error = compile(&keys(6), Scope::Attributes).unwrap_err();
        assert!(error.message().ends_with("more than 5 keys"), "{}", error.message());
        let values =
            |count: usize| (0..count).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(",");
        let policy = format!(r#"{{"a":[{}],"b":[{}]}}"#, values(15), values(11));
        let error = compile(&policy, Scope::Attributes).unwrap_err();
        assert!(error.message().ends_with("too complex"), "{}", error.message());
        assert!(compile("{", Scope::Attributes).is_err());
    }
}
