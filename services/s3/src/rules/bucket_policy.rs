//! What S3 refuses of a bucket's policy beside what no policy may say.

use serde_json::Value;

/// Actions on objects whose names do not say so.
const OF_OBJECTS: [&str; 7] = [
    "s3:AbortMultipartUpload",
    "s3:BypassGovernanceRetention",
    "s3:InitiateReplication",
    "s3:ListMultipartUploadParts",
    "s3:ObjectOwnerOverrideToBucketOwner",
    "s3:ReplicateDelete",
    "s3:ReplicateTags",
];

/// A policy's fault in S3's words, which are fewer.
pub(crate) fn words(fault: &str) -> &str {
    let begins = |start: &str| fault.starts_with(start);
    match () {
        () if begins("Invalid principal in policy") => "Invalid principal in policy",
        () if begins("Actions/Condition") || begins("Vendor ") => "Policy has invalid action",
        () if begins("Resource ") || begins("Partition ") => "Policy has invalid resource",
        () => fault,
    }
}

/// Refuses a statement about what S3 does not do, or does to something else.
///
/// # Errors
/// What is wrong, in S3's words.
pub(crate) fn check(statement: &Value) -> Result<(), &'static str> {
    let resources = texts(&statement["Resource"]);
    for action in texts(&statement["Action"]).chain(texts(&statement["NotAction"])) {
        let name = action.to_ascii_lowercase();
        if action != "*" && !name.starts_with("s3:") {
            return Err("Policy has invalid action");
        }
    }
    let applies = |action: &str| {
        let is_any = action.contains(['*', '?']); // some of them do
        let is_of_objects = is_of_objects(action);
        is_any || resources.clone().any(|resource| names(resource, is_of_objects))
    };
    match resources.clone().next().is_none() || texts(&statement["Action"]).all(applies) {
        true => Ok(()),
        false => Err("Action does not apply to any resource(s) in statement"),
    }
}

/// Whether an action is one on objects: `s3:GetObjectAcl`, not `s3:PutBucketObjectLockConfiguration`.
fn is_of_objects(action: &str) -> bool {
    let is_listed = OF_OBJECTS.iter().any(|known| known.eq_ignore_ascii_case(action));
    let name = action.to_ascii_lowercase();
    is_listed || name.contains("object") && !name.contains("bucket")
}

/// Whether a pattern may name objects, or buckets.
fn names(resource: &str, objects: bool) -> bool {
    match resource.split_once('/') {
        Some(_) => objects,
        None => !objects || resource.contains('*'),
    }
}

/// One text or several.
fn texts(value: &Value) -> impl Iterator<Item = &str> + Clone {
    let several = value.as_array().map(Vec::as_slice).unwrap_or_default();
    value.as_str().into_iter().chain(several.iter().filter_map(Value::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn actions_are_s3s_and_apply_to_what_the_statement_names() {
        let (bucket, objects) = ("arn:aws:s3:::b", "arn:aws:s3:::b/*");
        let said = |action: Value, resource: Value| {
            check(&json!({ "Action": action, "Resource": resource })).err()
        };
        let none = Some("Action does not apply to any resource(s) in statement");
        assert_eq!(said(json!("s3:GetObject"), json!(objects)), None);
        assert_eq!(said(json!("s3:GetObject"), json!(bucket)), none);
        assert_eq!(said(json!("s3:GetObject"), json!("arn:aws:s3:::b*")), None);
        assert_eq!(said(json!("s3:ListBucket"), json!(objects)), none);
        assert_eq!(said(json!(["s3:ListBucket", "s3:GetObject"]), json!([objects])), none);
        assert_eq!(said(json!(["s3:ListBucket", "s3:GetObject"]), json!([bucket, objects])), None);
        assert_eq!(said(json!("s3:PutBucketObjectLockConfiguration"), json!(bucket)), None);
        assert_eq!(said(json!("s3:abortmultipartupload"), json!(objects)), None);
        let replicated = [
            "s3:ReplicateObject",
            "s3:ReplicateDelete",
            "s3:ReplicateTags",
            "s3:ObjectOwnerOverrideToBucketOwner",
        ];
        assert_eq!(said(json!(replicated), json!(objects)), None);
        assert_eq!(said(json!(["s3:*", "*"]), json!(bucket)), None);
        assert_eq!(
            said(json!("sqs:SendMessage"), json!(bucket)),
            Some("Policy has invalid action")
        );
    }

    #[test]
    fn faults_of_all_policies_are_told_in_fewer_words() {
        let principal = "Invalid principal in policy: \"AWS\":\"x\"";
        assert_eq!(words(principal), "Invalid principal in policy");
        assert_eq!(words("Vendor x y is not valid"), "Policy has invalid action");
        assert_eq!(words("Missing required field Action"), "Missing required field Action");
    }
}
