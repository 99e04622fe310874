//! Statements of resource-based policies, as `AddPermission` writes them.

use haar_lambda_contract::model::SERVICE;
use haar_policy::{Document, Grammar};
use serde_json::{Map, Value, json};

use crate::refusal::Refusal;
use crate::state::PolicyStatement;

/// Bytes of a policy at most.
pub const POLICY_BYTES_MAX: usize = 20_480;

/// What `AddPermission` grants.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// `StatementId`.
    pub sid: String,
    /// `Action`, such as `lambda:InvokeFunction`.
    pub action: String,
    /// An account, an ARN, a service's name or `*`.
    pub principal: String,
    /// What is granted access to: the function's ARN, with its qualifier.
    pub resource: String,
    /// `SourceArn`.
    pub source_arn: Option<String>,
    /// `SourceAccount`.
    pub source_account: Option<String>,
    /// `EventSourceToken`.
    pub event_source_token: Option<String>,
    /// `PrincipalOrgID`.
    pub organization: Option<String>,
    /// `FunctionUrlAuthType`.
    pub url_auth_type: Option<String>,
    /// `InvokedViaFunctionUrl`.
    pub via_url: Option<bool>,
}

/// Writes the statement.
///
/// # Errors
/// When the principal is none, or Lambda knows no such action.
pub fn statement(grant: &Grant) -> Result<PolicyStatement, Refusal> {
    if !is_action(&grant.action) {
        return Err(Refusal::invalid(
            "The provided action was invalid. Please check the action and try again.",
        ));
    }
    let mut statement = Map::new();
    statement.insert("Sid".to_owned(), json!(grant.sid));
    statement.insert("Effect".to_owned(), json!("Allow"));
    statement.insert("Principal".to_owned(), principal(&grant.principal)?);
    statement.insert("Action".to_owned(), json!(grant.action));
    statement.insert("Resource".to_owned(), json!(grant.resource));
    let conditions = conditions(grant);
    if !conditions.is_empty() {
        statement.insert("Condition".to_owned(), Value::Object(conditions));
    }
    let written =
        PolicyStatement { sid: grant.sid.clone(), json: Value::Object(statement).to_string() };
    // one statement that cannot be read would take all others of its policy with it
    match Document::parse(&document(std::slice::from_ref(&written)), Grammar::Resource) {
        Ok(_) => Ok(written),
        Err(_) => Err(bad_principal()),
    }
}

/// Actions that are no operation's name. AWS docs: *Service Authorization Reference > Lambda*.
const OTHER_ACTIONS: [&str; 4] =
    ["InvokeFunction", "InvokeFunctionUrl", "EnableReplication", "DisableReplication"];

/// `*`, `lambda:*`, or an action that Lambda has. *Ours*: AWS documents neither that it looks nor
/// its words; a permission with a typing error would never allow anything.
fn is_action(text: &str) -> bool {
    let Some((service, name)) = text.split_once(':') else { return text == "*" };
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    service.eq_ignore_ascii_case("lambda")
        && (name == "*"
            || OTHER_ACTIONS.into_iter().any(is)
            || SERVICE.operations.iter().any(|operation| is(operation.name))
            || SERVICE.unlisted.iter().any(|operation| is(operation.name)))
}

fn principal(text: &str) -> Result<Value, Refusal> {
    if text == "*" {
        return Ok(json!("*"));
    }
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(json!({ "AWS": format!("arn:aws:iam::{text}:root") }));
    }
    let arn: Vec<&str> = text.splitn(6, ':').collect();
    if let ["arn", _, "iam" | "sts", "", _, _] = arn[..] {
        return Ok(json!({ "AWS": text }));
    }
    let is_service = text.contains('.')
        && (text.ends_with(".amazonaws.com")
            || text.ends_with(".amazonaws.com.cn")
            || text.ends_with(".aws.internal"));
    if is_service || text == "alexa-appkit.amazon.com" {
        return Ok(json!({ "Service": text }));
    }
    Err(bad_principal())
}

fn bad_principal() -> Refusal {
    Refusal::invalid(
        "The provided principal was invalid. Please check the principal and try again.",
    )
}

fn conditions(grant: &Grant) -> Map<String, Value> {
    let mut conditions: Map<String, Value> = Map::new();
    let mut set = |operator: &str, key: &str, value: Option<String>| {
        if let Some(value) = value {
            let of = conditions.entry(operator).or_insert_with(|| json!({}));
            of[key] = json!(value);
        }
    };
    set("StringEquals", "lambda:FunctionUrlAuthType", grant.url_auth_type.clone());
    set("StringEquals", "lambda:EventSourceToken", grant.event_source_token.clone());
    set("StringEquals", "AWS:SourceAccount", grant.source_account.clone());
    set("StringEquals", "aws:PrincipalOrgID", grant.organization.clone());
    set("Bool", "lambda:InvokedViaFunctionUrl", grant.via_url.map(|via| via.to_string()));
    set("ArnLike", "AWS:SourceArn", grant.source_arn.clone());
    conditions
}

/// Refuses a statement whose id is taken, or that makes the policy too long.
///
/// # Errors
/// With AWS's words.
pub fn check_addition(present: &[PolicyStatement], new: &PolicyStatement) -> Result<(), Refusal> {
    if present.iter().any(|statement| statement.sid == new.sid) {
        return Err(Refusal::ResourceConflict(format!(
            "The statement id ({}) provided already exists. Please provide a new statement id, or \
             remove the existing statement.",
            new.sid
        )));
    }
    let mut all = present.to_vec();
    all.push(new.clone());
    let length = document(&all).len();
    if length > POLICY_BYTES_MAX {
        return Err(Refusal::PolicyLengthExceeded(format!(
            "The final policy size ({length}) is bigger than the limit ({POLICY_BYTES_MAX})."
        )));
    }
    Ok(())
}

/// The whole policy as JSON.
pub fn document(statements: &[PolicyStatement]) -> String {
    let list: Vec<&str> = statements.iter().map(|statement| statement.json.as_str()).collect();
    format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{}]}}"#, list.join(","))
}

/// Writes the statement of `AddLayerVersionPermission`.
///
/// # Errors
/// When an organization is named beside a principal that is not `*`.
pub fn layer_statement(
    sid: &str,
    principal: &str,
    organization: Option<&str>,
    resource: &str,
) -> Result<PolicyStatement, Refusal> {
    if organization.is_some() && principal != "*" {
        return Err(Refusal::invalid("OrganizationId can only be specified with principal '*'."));
    }
    let grant = Grant {
        sid: sid.to_owned(),
        action: "lambda:GetLayerVersion".to_owned(),
        principal: principal.to_owned(),
        resource: resource.to_owned(),
        organization: organization.map(str::to_owned),
        ..Grant::default()
    };
    statement(&grant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(principal: &str) -> Grant {
        Grant {
            sid: "s1".into(),
            action: "lambda:InvokeFunction".into(),
            principal: principal.into(),
            resource: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
            ..Grant::default()
        }
    }

    #[test]
    fn a_service_may_be_bound_to_one_source() {
        let bound = Grant {
            source_arn: Some("arn:aws:s3:::b".into()),
            source_account: Some("111122223333".into()),
            ..grant("s3.amazonaws.com")
        };
        assert_eq!(
            statement(&bound).unwrap().json,
            r#"{"Sid":"s1","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"#
                .to_owned()
                + r#""Action":"lambda:InvokeFunction","#
                + r#""Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","#
                + r#""Condition":{"StringEquals":{"AWS:SourceAccount":"111122223333"},"#
                + r#""ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}"#
        );
    }

    #[test]
    fn principals_have_four_forms() {
        let of = |text: &str| {
            let json = statement(&grant(text)).map(|statement| statement.json)?;
            let value: Value = serde_json::from_str(&json).unwrap();
            Ok::<_, Refusal>(value["Principal"].clone())
        };
        assert_eq!(of("*").unwrap(), json!("*"));
        let root = json!({"AWS": "arn:aws:iam::111122223333:root"});
        assert_eq!(of("111122223333").unwrap(), root);
        let role = "arn:aws:iam::111122223333:role/r";
        assert_eq!(of(role).unwrap(), json!({"AWS": role}));
        assert_eq!(of("events.amazonaws.com").unwrap(), json!({"Service": "events.amazonaws.com"}));
        let alexa = "alexa-appkit.amazon.com";
        assert_eq!(of(alexa).unwrap(), json!({"Service": alexa}));
        for nobody in ["nobody", "arn:aws:iam::111122223333:role/*", "arn:aws:iam:::user/u"] {
            assert!(of(nobody).is_err(), "{nobody}");
        }
    }

    #[test]
    fn an_action_is_one_that_lambda_has() {
        let of = |action: &str| statement(&Grant { action: action.into(), ..grant("*") });
        for action in ["*", "lambda:*", "lambda:InvokeFunction", "lambda:getfunction"] {
            assert!(of(action).is_ok(), "{action}");
        }
        for action in ["lambda:InvokeFunktion", "lambda:", "s3:GetObject", "lambda"] {
            assert!(of(action).is_err(), "{action}");
        }
    }

    #[test]
    fn a_statement_id_is_used_once() {
        let one = statement(&grant("*")).unwrap();
        assert_eq!(check_addition(&[], &one), Ok(()));
        let text = "The statement id (s1) provided already exists. Please provide a new \
                    statement id, or remove the existing statement.";
        let refused = Err(Refusal::ResourceConflict(text.into()));
        assert_eq!(check_addition(std::slice::from_ref(&one), &one), refused);
    }

    #[test]
    fn a_policy_has_twenty_kilobytes() {
        let of = |sid: usize| {
            let sid = format!("statement-{sid:080}");
            statement(&Grant { sid, ..grant("s3.amazonaws.com") }).unwrap()
        };
        let mut present: Vec<PolicyStatement> = Vec::new();
        while document(&present).len() + of(0).json.len() < POLICY_BYTES_MAX {
            assert_eq!(check_addition(&present, &of(present.len())), Ok(()));
            present.push(of(present.len()));
        }
        assert!(matches!(
            check_addition(&present, &of(present.len())),
            Err(Refusal::PolicyLengthExceeded(text)) if text.ends_with("the limit (20480).")
        ));
    }

    #[test]
    fn a_url_statement_names_its_auth_type() {
        let public = Grant {
            action: "lambda:InvokeFunctionUrl".into(),
            url_auth_type: Some("NONE".into()),
            ..grant("*")
        };
        let json = statement(&public).unwrap().json;
        assert!(json.contains(r#""StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}"#), "{json}");
    }
}
