//! Policies of forms. AWS docs: *Amazon S3 API Reference > Creating a POST policy*.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde_json::Value;

/// What a form's sender was allowed to fill in.
#[derive(Clone, Debug)]
pub(crate) struct FormPolicy {
    conditions: Vec<Condition>,
    expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    /// Of a field, whose name is kept as it was written: refusals show it.
    Equals(String, String),
    StartsWith(String, String),
    Length(u64, u64),
}

/// Fields that no condition need be about.
const FREE: [&str; 5] = ["x-amz-signature", "file", "policy", "awsaccesskeyid", "signature"];

impl FormPolicy {
    /// Reads one as the form holds it, in base64.
    pub(crate) fn read(encoded: &str) -> Result<Self, AwsError> {
        let refused = |text: &str| {
            AwsError::new("InvalidPolicyDocument", 400, format!("Invalid Policy: {text}"))
        };
        let bytes = STANDARD.decode(encoded.trim()).map_err(|_| refused("Invalid Base64."))?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|_| refused("Invalid JSON."))?;
        let expires =
            json["expiration"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let expires = expires.ok_or_else(|| refused("Policy missing expiration."))?;
        let list =
            json["conditions"].as_array().ok_or_else(|| refused("Policy missing conditions."))?;
        let mut conditions = Vec::new();
        for one in list {
            match one {
                Value::Object(pairs) => {
                    for (name, value) in pairs {
                        let value = value.as_str().ok_or_else(|| refused("Invalid condition."))?;
                        conditions.push(Condition::Equals(name.clone(), value.to_owned()));
                    }
                }
                Value::Array(parts) => {
                    let condition = Condition::read(parts);
                    conditions.push(condition.ok_or_else(|| refused("Invalid condition."))?);
                }
                _ => return Err(refused("Invalid condition.")),
            }
        }
        Ok(Self { conditions, expires_at: Timestamp(expires.as_millisecond()) })
    }

    /// Refuses a form whose fields are not as the policy allows.
    pub(crate) fn check(
        &self,
        fields: &BTreeMap<String, String>,
        bucket: &str,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        if now > self.expires_at {
            return Err(denied("Policy expired."));
        }
        let value = |name: &str| match name.to_ascii_lowercase().as_str() {
            "bucket" => bucket,
            name => fields.get(name).map_or("", String::as_str),
        };
        for condition in &self.conditions {
            let (holds, shown) = match condition {
                Condition::Equals(name, wanted) => {
                    (value(name) == wanted, format!(r#"["eq", "${name}", "{wanted}"]"#))
                }
                Condition::StartsWith(name, wanted) => (
                    begins(name, value(name), wanted),
                    format!(r#"["starts-with", "${name}", "{wanted}"]"#),
                ),
                Condition::Length(..) => continue,
            };
            if !holds {
                return Err(denied(&format!("Policy Condition failed: {shown}")));
            }
        }
        let is_named = |name: &str| {
            self.conditions.iter().any(|condition| match condition {
                Condition::Equals(known, _) | Condition::StartsWith(known, _) => {
                    known.eq_ignore_ascii_case(name)
                }
                Condition::Length(..) => false,
            })
        };
        let extra = fields.keys().find(|name| {
            !FREE.contains(&&***name) && !name.starts_with("x-ignore-") && !is_named(name)
        });
        match extra {
            Some(name) => Err(denied(&format!("Extra input fields: {name}"))),
            None => Ok(()),
        }
    }

    /// Refuses a file that is longer or shorter than the policy allows.
    pub(crate) fn check_length(&self, length: u64) -> Result<(), AwsError> {
        for condition in &self.conditions {
            let Condition::Length(least, most) = condition else { continue };
            if length > *most {
                let text = "Your proposed upload exceeds the maximum allowed size";
                return Err(AwsError::new("EntityTooLarge", 400, text)
                    .element("ProposedSize", length.to_string())
                    .element("MaxSizeAllowed", most.to_string()));
            }
            if length < *least {
                let text = "Your proposed upload is smaller than the minimum allowed size";
                return Err(AwsError::new("EntityTooSmall", 400, text)
                    .element("ProposedSize", length.to_string())
                    .element("MinSizeAllowed", least.to_string()));
            }
        }
        Ok(())
    }
}

impl Condition {
    fn read(parts: &[Value]) -> Option<Self> {
        let [kind, first, second] = parts else { return None };
        let field = || Some(first.as_str()?.strip_prefix('$')?.to_owned());
        match kind.as_str()?.to_ascii_lowercase().as_str() {
            "eq" => Some(Self::Equals(field()?, second.as_str()?.to_owned())),
            "starts-with" => Some(Self::StartsWith(field()?, second.as_str()?.to_owned())),
            "content-length-range" => {
                let number =
                    |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
                Some(Self::Length(number(first)?, number(second)?))
            }
            _ => None,
        }
    }
}

/// Whether a field begins as it must; of a list of content types each.
fn begins(name: &str, value: &str, wanted: &str) -> bool {
    if !name.eq_ignore_ascii_case("content-type") {
        return value.starts_with(wanted);
    }
    value.split(',').all(|one| one.trim_start().starts_with(wanted))
}

fn denied(text: &str) -> AwsError {
    AwsError::new("AccessDenied", 403, format!("Invalid according to Policy: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> FormPolicy {
        let text = r#"{"expiration": "2027-01-15T09:00:00Z", "conditions": [
            {"bucket": "b"}, ["starts-with", "$key", "in/"], ["content-length-range", 1, 10],
            ["starts-with", "$Content-Type", "image/"]]}"#;
        FormPolicy::read(&STANDARD.encode(text)).unwrap()
    }

    fn check(fields: &[(&str, &str)], now: i64) -> Result<(), String> {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let checked = policy().check(&fields.collect(), "b", Timestamp(now));
        checked.map_err(|error| error.message().to_owned())
    }

    #[test]
    fn every_field_must_be_as_some_condition_says() {
        let now = 1_800_000_000_000;
        let png = ("content-type", "image/png");
        assert_eq!(check(&[("key", "in/a"), ("policy", "…"), png], now), Ok(()));
        let failed = check(&[("key", "out/a"), png], now).unwrap_err();
        assert!(failed.contains(r#"["starts-with", "$key", "in/"]"#), "{failed}");
        let extra = check(&[("key", "in/a"), ("acl", "private"), png], now).unwrap_err();
        assert!(extra.ends_with("Extra input fields: acl"), "{extra}");
        let late = check(&[("key", "in/a")], now + 7_200_000).unwrap_err();
        assert!(late.ends_with("Policy expired."), "{late}");
    }

    #[test]
    fn a_condition_is_shown_as_it_was_written_and_is_about_each_content_type() {
        let of = |types| check(&[("key", "in/a"), ("content-type", types)], 1_800_000_000_000);
        assert_eq!(of("image/png, image/gif"), Ok(()));
        for types in ["text/html", "image/png,text/html"] {
            let failed = of(types).unwrap_err();
            assert!(failed.ends_with(r#"["starts-with", "$Content-Type", "image/"]"#), "{failed}");
        }
    }

    #[test]
    fn a_file_has_the_length_that_is_allowed() {
        assert!(policy().check_length(10).is_ok());
        assert_eq!(policy().check_length(11).unwrap_err().code(), "EntityTooLarge");
        assert_eq!(policy().check_length(0).unwrap_err().code(), "EntityTooSmall");
    }
}
