//! What IAM refuses in a policy, and in which words.

use crate::document::{Grammar, PolicyError};
use crate::parse::syntax;

/// The partitions that AWS names.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

fn refuse<T>(text: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError(text.into()))
}

/// Managed policies must be of the present version, all others may be of the old one.
pub(crate) fn version(version: &str, grammar: Grammar) -> Result<(), PolicyError> {
    match (version, grammar) {
        ("2012-10-17", _) => Ok(()),
        ("2008-10-17", Grammar::Managed) => {
            refuse("Policy document must be version 2012-10-17 or greater.")
        }
        ("2008-10-17", _) => Ok(()),
        _ => Err(syntax()),
    }
}

/// Which elements a statement must and must not have.
pub(crate) fn elements(
    grammar: Grammar,
    principal: bool,
    action: bool,
    resource: bool,
    effect: bool,
) -> Result<(), PolicyError> {
    match grammar {
        Grammar::Trust | Grammar::Own if resource => refuse("Has prohibited field Resource"),
        Grammar::Trust if !effect => refuse("Missing required field Effect"),
        Grammar::Trust if !action => refuse("Missing required field Action"),
        Grammar::Trust if !principal => refuse("Missing required field Principal"),
        Grammar::Trust => Ok(()),
        Grammar::Resource | Grammar::Own if !principal => {
            refuse("Missing required field Principal")
        }
        Grammar::Resource | Grammar::Own if !action => refuse("Missing required field Action"),
        Grammar::Own => Ok(()),
        Grammar::Resource if !resource => refuse("Missing required field Resource"),
        Grammar::Resource => Ok(()),
        Grammar::Managed | Grammar::Inline | Grammar::Session => {
            if principal {
                return refuse("Policy document should not specify a principal.");
            }
            if !action {
                return refuse("Policy statement must contain actions.");
            }
            if !resource {
                return refuse("Policy statement must contain resources.");
            }
            Ok(())
        }
    }
}

/// A list of actions or resources must hold one.
pub(crate) fn some(list: &[String], what: &str) -> Result<(), PolicyError> {
    if list.is_empty() { refuse(format!("Policy statement must contain {what}.")) } else { Ok(()) }
}

/// Identities' policies take letters and digits, resources' policies more.
pub(crate) fn sid(sid: &str, grammar: Grammar) -> Result<(), PolicyError> {
    let free = matches!(grammar, Grammar::Resource | Grammar::Own | Grammar::Trust);
    if free || sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    refuse(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
         expression [0-9A-Za-z]*",
    )
}

/// `vendor:Action`, or `*`.
pub(crate) fn action(action: &str, grammar: Grammar) -> Result<(), PolicyError> {
    if action == "*" && grammar != Grammar::Trust {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        if grammar == Grammar::Trust {
            return refuse("AssumeRole policy may only specify STS AssumeRole actions.");
        }
        return refuse(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        );
    };
    if name.contains(':') {
        return refuse("Actions/Condition can contain only one colon.");
    }
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"*?-".contains(&byte);
    let in_vendor = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if vendor.is_empty() || !vendor.bytes().all(in_vendor) {
        return refuse(format!("Vendor {vendor} is not valid"));
    }
    if name.is_empty() || !name.bytes().all(in_name) {
        return Err(syntax());
    }
    if grammar == Grammar::Trust && !vendor.eq_ignore_ascii_case("sts") {
        return refuse("AssumeRole policy may only specify STS AssumeRole actions.");
    }
    Ok(())
}

/// `*` or an ARN, wildcards allowed but not for the vendor.
pub(crate) fn resource(resource: &str) -> Result<(), PolicyError> {
    if !resource.is_empty() && resource.chars().all(|letter| letter == '*') {
        return Ok(());
    }
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    if parts[0] != "arn" || parts.len() < 2 {
        return refuse(format!("Resource {resource} must be in ARN format or \"*\"."));
    }
    let partition = parts[1];
    let is_known = PARTITIONS.contains(&partition) || partition == "*";
    if !is_known && !partition.starts_with("${") {
        return refuse(format!(
            "Partition \"{partition}\" is not valid for resource \"{resource}\"."
        ));
    }
    let vendor = parts.get(2).copied().unwrap_or("*");
    if parts.len() > 3 && vendor.contains(['*', '?']) && vendor != "*" {
        return refuse("Resource vendor must be fully qualified and cannot contain regexes.");
    }
    if parts.len() == 6 && vendor == "iam" && !matches!(parts[3], "" | "*") {
        return refuse(format!("IAM resource {resource} cannot contain region information."));
    }
    if parts.len() == 6 && vendor == "s3" && !matches!(parts[3], "" | "*") {
        return refuse(format!("Resource {resource} can not contain region information."));
    }
    Ok(())
}

/// `vendor:key`, perhaps with a tag's key behind a slash.
pub(crate) fn condition_key(key: &str) -> Result<(), PolicyError> {
    let (vendor, name) = key.split_once(':').unwrap_or((key, ""));
    if name.is_empty() || vendor.is_empty() {
        return refuse(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        );
    }
    Ok(())
}

/// The one service whose name lies elsewhere; Lambda functions are granted to it.
const ALEXA: &str = "alexa-appkit.amazon.com";

/// A service's name in policies: `lambda.amazonaws.com`.
pub(crate) fn is_service(name: &str) -> bool {
    let stem = ["amazonaws.com", "amazonaws.com.cn", "aws.internal"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('.'));
    let legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(legal)) || name == ALEXA
}

/// The refusal of an entry of a principal's list.
pub(crate) fn principal(kind: &str, text: &str) -> PolicyError {
    PolicyError(format!("Invalid principal in policy: \"{kind}\":\"{text}\""))
}
