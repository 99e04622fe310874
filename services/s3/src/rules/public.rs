//! Which bucket policies are public. AWS docs: *Amazon S3 User Guide > Blocking public access >
//! The meaning of "public"*.

use haar_policy::listed;
use serde_json::Value;

/// Condition keys that make a grant to everybody one to some.
const FIXED: [&str; 9] = [
    "aws:sourceip",
    "aws:sourcearn",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:principalorgid",
    "aws:principalarn",
    "aws:principalaccount",
];

/// Whether some statement lets in everybody.
pub(crate) fn is_public(policy: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    listed(&policy["Statement"]).iter().any(is_public_statement)
}

fn is_public_statement(statement: &Value) -> bool {
    statement["Effect"] == "Allow" && names_everybody(statement) && !is_narrowed(statement)
}

fn names_everybody(statement: &Value) -> bool {
    let any = |value: &Value| listed(value).iter().any(|one| one == "*");
    match &statement["Principal"] {
        Value::Object(kinds) => kinds.values().any(any),
        Value::Null => statement.get("NotPrincipal").is_some(),
        principal => any(principal),
    }
}

fn is_narrowed(statement: &Value) -> bool {
    let Value::Object(operators) = &statement["Condition"] else { return false };
    operators.values().filter_map(Value::as_object).flatten().any(|(key, values)| {
        let is_wild = |value: &Value| value.as_str().is_some_and(|text| text.contains(['*', '?']));
        FIXED.contains(&&*key.to_lowercase()) && !listed(values).iter().any(is_wild)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_without_a_fixed_condition_is_public() {
        let of = |principal: &str, condition: &str| {
            is_public(&format!(
                r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "s3:*",
                    "Resource": "*", "Condition": {condition}}}}}"#
            ))
        };
        assert!(of(r#""*""#, "{}"));
        assert!(of(r#"{"AWS": ["*"]}"#, "{}"));
        assert!(!of(r#"{"AWS": "123456789012"}"#, "{}"));
        assert!(!of(r#""*""#, r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#));
        assert!(of(r#""*""#, r#"{"StringLike": {"aws:PrincipalArn": "*"}}"#));
    }
}
