//! Whether a policy lets anything be done in a service.

use serde_json::Value;

/// Whether a document allows at least one of a service's actions, whatever its conditions and
/// resources.
pub(crate) fn grants_service(document: &str, namespace: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return false };
    match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().any(|one| grants(one, namespace)),
        Some(one) => grants(one, namespace),
        None => false,
    }
}

fn grants(statement: &Value, namespace: &str) -> bool {
    if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
        return false;
    }
    let names = |value: &Value| -> Vec<String> {
        match value {
            Value::Array(all) => all.iter().filter_map(|one| Some(one.as_str()?.into())).collect(),
            one => one.as_str().map(str::to_owned).into_iter().collect(),
        }
    };
    if let Some(actions) = statement.get("Action") {
        return names(actions).iter().any(|action| is_of(action, namespace));
    }
    // all but some: only the service as a whole leaves nothing of it
    let spared = |action: &String| is_of(action, namespace) && is_whole(action);
    statement.get("NotAction").is_some_and(|actions| !names(actions).iter().any(spared))
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
