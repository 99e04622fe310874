//! The policy of a bus, statement by statement.

use haar_events_contract::model::Condition;
use serde_json::{Map, Value, json};

/// Letters of a policy at most.
pub(crate) const POLICY_LENGTH_MAX: usize = 10_240;

/// A statement that lets an account, an organisation or everybody put events.
pub(crate) fn statement(
    sid: &str,
    principal: &str,
    action: &str,
    condition: Option<&Condition>,
    bus_arn: &str,
) -> Value {
    let principal = match principal {
        "*" => json!("*"),
        account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
    };
    let mut statement = json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": bus_arn,
    });
    if let (Some(condition), Some(statement)) = (condition, statement.as_object_mut()) {
        let mut test = Map::new();
        test.insert(condition.key.clone(), json!(condition.value));
        let mut tests = Map::new();
        tests.insert(condition.r#type.clone(), Value::Object(test));
        statement.insert("Condition".to_owned(), Value::Object(tests));
    }
    statement
}

/// The policy with this statement in the place of the one of the same `Sid`.
pub(crate) fn with(policy: Option<&str>, statement: Value) -> String {
    let mut statements = statements(policy);
    statements.retain(|one| one.get("Sid") != statement.get("Sid"));
    statements.push(statement);
    document(statements)
}

/// The policy without a statement; `None` when there is no such one. An empty policy is none.
pub(crate) fn without(policy: Option<&str>, sid: &str) -> Option<Option<String>> {
    let mut statements = statements(policy);
    let before = statements.len();
    statements.retain(|one| one.get("Sid").and_then(Value::as_str) != Some(sid));
    if statements.len() == before {
        return None;
    }
    Some(Some(statements).filter(|statements| !statements.is_empty()).map(document))
}

fn statements(policy: Option<&str>) -> Vec<Value> {
    let document: Option<Value> = policy.and_then(|policy| serde_json::from_str(policy).ok());
    match document.as_ref().and_then(|document| document.get("Statement")) {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    }
}

fn document(statements: Vec<Value>) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_and_go_by_their_names() {
        let bus = "arn:aws:events:us-east-1:1:event-bus/b";
        let one = with(None, statement("a", "123456789012", "events:PutEvents", None, bus));
        let two = with(Some(&one), statement("b", "*", "events:PutEvents", None, bus));
        assert_eq!(without(Some(&two), "b"), Some(Some(one.clone())));
        assert_eq!(without(Some(&one), "a"), Some(None));
        assert_eq!(without(Some(&one), "c"), None);
        let again = with(Some(&one), statement("a", "*", "events:PutEvents", None, bus));
        assert!(!again.contains("123456789012"));
    }
}
