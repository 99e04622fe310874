//! Parameter policies. AWS docs: *Parameter Store > Assigning parameter policies*.

use haar_ssm_contract::{
    IncompatiblePolicyException, InvalidPolicyAttributeException, InvalidPolicyTypeException,
    PoliciesLimitExceededException,
};
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde_json::Value;

/// Policies of a parameter at most.
const POLICIES_MAX: usize = 10;

/// Policies as they were given, and when the parameter expires by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policies {
    /// Types and texts.
    pub(crate) all: Vec<(String, String)>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// Reads a list of policies.
pub(crate) fn read(text: &str) -> Result<Policies, AwsError> {
    let bad = |text: &str| AwsError::from(InvalidPolicyAttributeException::message(text));
    let list: Vec<Value> =
        serde_json::from_str(text).map_err(|_| bad("Policies are not a valid JSON array"))?;
    if list.len() > POLICIES_MAX {
        let text = format!("A parameter can have a maximum of {POLICIES_MAX} policies");
        return Err(PoliciesLimitExceededException::message(text).into());
    }
    let mut policies = Policies::default();
    for policy in list {
        let kind = policy["Type"].as_str().unwrap_or_default().to_owned();
        let attributes = &policy["Attributes"];
        match kind.as_str() {
            "Expiration" => {
                if policies.expires_at.is_some() {
                    let text = "A parameter can have one Expiration policy only";
                    return Err(IncompatiblePolicyException::message(text).into());
                }
                let at = attributes["Timestamp"].as_str().and_then(timestamp);
                let at = at.ok_or_else(|| bad("Expiration needs a Timestamp in ISO 8601"))?;
                policies.expires_at = Some(at);
            }
            "ExpirationNotification" => duration(attributes, "Before")?,
            "NoChangeNotification" => duration(attributes, "After")?,
            other => {
                let text = format!("The policy type {other} is not supported");
                return Err(InvalidPolicyTypeException::message(text).into());
            }
        }
        policies.all.push((kind, policy.to_string()));
    }
    Ok(policies)
}

fn timestamp(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(at.as_millisecond()))
}

/// `Before` or `After`, and `Unit`: notifications are kept, haar sends none yet.
fn duration(attributes: &Value, name: &str) -> Result<(), AwsError> {
    let number = attributes[name].as_str().and_then(|text| text.parse::<u32>().ok());
    let unit = attributes["Unit"].as_str();
    match (number, unit) {
        (Some(_), Some("Days" | "Hours")) => Ok(()),
        _ => {
            let text = format!("A notification needs {name} and a Unit of Days or Hours");
            Err(InvalidPolicyAttributeException::message(text).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiration_says_when() {
        let text = r#"[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2027-01-16T00:00:00.000Z"}},
            {"Type":"ExpirationNotification","Version":"1.0","Attributes":{"Before":"1","Unit":"Days"}}]"#;
        let policies = read(text).unwrap();
        assert_eq!(policies.expires_at, Some(Timestamp(1_800_057_600_000)));
        assert_eq!(policies.all.len(), 2);
        for (text, name) in [
            ("{}", "InvalidPolicyAttributeException"),
            (r#"[{"Type":"Other"}]"#, "InvalidPolicyTypeException"),
            (r#"[{"Type":"Expiration","Attributes":{}}]"#, "InvalidPolicyAttributeException"),
        ] {
            assert_eq!(read(text).unwrap_err().name(), name);
        }
    }
}
