//! Whether a policy lets anything be done in a service.

use haar_policy::listed;
use serde_json::Value;

/// Whether a document allows at least one of a service's actions, whatever its conditions and
/// resources.
pub(crate) fn grants_service(document: &str, namespace: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return false };
    listed(&document["Statement"]).iter().any(|one| grants(one, namespace))
}

fn grants(statement: &Value, namespace: &str) -> bool {
    if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
        return false;
    }
    let mut actions = listed(&statement["Action"]).iter().filter_map(Value::as_str);
    if statement.get("Action").is_some() {
        return actions.any(|action| is_of(action, namespace));
    }
    // all but some: only the service as a whole leaves nothing of it
    let spared = |action: &str| is_of(action, namespace) && is_whole(action);
    let mut spares = listed(&statement["NotAction"]).iter().filter_map(Value::as_str);
    statement.get("NotAction").is_some() && !spares.any(spared)
}

fn is_of(action: &str, namespace: &str) -> bool {
    let service = action.split(':').next().unwrap_or_default();
    action == "*" || service.eq_ignore_ascii_case(namespace)
}

fn is_whole(action: &str) -> bool {
    action == "*" || action.ends_with(":*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_granted_by_an_action_of_it() {
        let grants = |statement: &str| {
            let document = format!(r#"{{"Statement":[{statement}]}}"#);
            grants_service(&document, "s3")
        };
        assert!(grants(r#"{"Effect":"Allow","Action":["ec2:Run*","S3:GetObject"]}"#));
        assert!(grants(r#"{"Effect":"Allow","Action":"*"}"#));
        assert!(grants(r#"{"Effect":"Allow","NotAction":"s3:GetObject"}"#));
        assert!(!grants(r#"{"Effect":"Allow","NotAction":"s3:*"}"#));
        assert!(!grants(r#"{"Effect":"Deny","Action":"s3:*"}"#));
        assert!(!grants(r#"{"Effect":"Allow","Action":"s3express:*"}"#));
    }
}
