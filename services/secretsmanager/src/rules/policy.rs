//! Resource policies: whether they can be read, and whether they open a secret to everybody.

use haar_policy::{Document, Grammar, listed};
use haar_secretsmanager_contract::{MalformedPolicyDocumentException, PublicPolicyException};
use haar_wire::AwsError;
use serde_json::Value;

/// Refuses a policy that cannot be read, or, where that is asked, one that is public.
pub(crate) fn check(text: &str, block_public: bool) -> Result<(), AwsError> {
    if Document::parse(text, Grammar::Resource).is_err() {
        let text = "This resource policy contains a syntax error.";
        return Err(MalformedPolicyDocumentException::message(text).into());
    }
    if block_public && is_public(text) {
        let text = "This resource policy grants broad access to the secret. To protect your \
                    secret, Secrets Manager blocked it.";
        return Err(PublicPolicyException::message(text).into());
    }
    Ok(())
}

/// Whether a statement allows everybody, with no condition on it.
pub(crate) fn is_public(text: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(text) else { return false };
    let is_all = |value: &Value| listed(value).iter().any(|it| it == "*");
    listed(&policy["Statement"]).iter().any(|statement| {
        let principal = &statement["Principal"];
        statement["Effect"] == "Allow"
            && (is_all(principal) || is_all(&principal["AWS"]))
            && statement["Condition"].as_object().is_none_or(serde_json::Map::is_empty)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(principal: &str, more: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},
                "Action":"secretsmanager:*","Resource":"*"{more}}}]}}"#
        )
    }

    #[test]
    fn a_policy_is_public_when_it_allows_everybody_anything() {
        let root = r#"{"AWS":"arn:aws:iam::123456789012:root"}"#;
        let condition = r#","Condition":{"StringEquals":{"aws:PrincipalAccount":"1"}}"#;
        assert!(is_public(&policy("\"*\"", "")));
        assert!(is_public(&policy(r#"{"AWS":["*"]}"#, "")));
        assert!(!is_public(&policy("\"*\"", condition)));
        assert!(!is_public(&policy(root, "")));
        assert!(check(&policy(root, ""), true).is_ok());
        assert_eq!(check(&policy("\"*\"", ""), true).unwrap_err().name(), "PublicPolicyException");
        assert!(check(&policy("\"*\"", ""), false).is_ok());
        let error = check("{}", false).unwrap_err();
        assert_eq!(error.name(), "MalformedPolicyDocumentException");
    }
}
