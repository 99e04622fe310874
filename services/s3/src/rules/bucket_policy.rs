//! What S3 refuses of a bucket's policy beside what no policy may say.

use haar_policy::listed;
use serde_json::Value;

/// Actions on objects. AWS docs: *Service Authorization Reference > Amazon S3 > Actions*.
const OF_OBJECTS: [&str; 34] = [
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "InitiateReplication",
    "ListMultipartUploadParts",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
    "UpdateObjectEncryption",
];
/// Actions on buckets whose names do not begin with what is done to a `Bucket`.
const OF_BUCKETS: [&str; 16] = [
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutReplicationConfiguration",
];

/// What an action is done to, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Buckets,
    Objects,
}

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
        // of several some do, and of those that are not known here, AWS knows
        target_of(action).is_none_or(|to| resources.clone().any(|resource| names(resource, to)))
    };
    match resources.clone().next().is_none() || texts(&statement["Action"]).all(applies) {
        true => Ok(()),
        false => Err("Action does not apply to any resource(s) in statement"),
    }
}

/// What an action is done to; `None` of patterns, and of those that are not known.
fn target_of(action: &str) -> Option<Target> {
    let name = action.split_once(':').map_or(action, |(_, name)| name);
    let is_listed = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    let begins = |verb: &str| {
        let start = name.get(..verb.len() + "Bucket".len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(&format!("{verb}Bucket")))
    };
    match () {
        () if name.contains(['*', '?']) => None,
        () if is_listed(&OF_OBJECTS) => Some(Target::Objects),
        () if is_listed(&OF_BUCKETS) => Some(Target::Buckets),
        () if ["Create", "Delete", "Get", "List", "Put"].into_iter().any(begins) => {
            Some(Target::Buckets)
        }
        () => None,
    }
}

/// Whether a pattern may name such.
fn names(resource: &str, to: Target) -> bool {
    match resource.split_once('/') {
        Some(_) => to == Target::Objects,
        None => to == Target::Buckets || resource.contains('*'),
    }
}

/// One text or several.
fn texts(value: &Value) -> impl Iterator<Item = &str> + Clone {
    listed(value).iter().filter_map(Value::as_str)
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
        assert_eq!(said(json!(["s3:*", "*"]), json!(bucket)), None);
        for action in ["ReplicateObject", "ReplicateTags", "ObjectOwnerOverrideToBucketOwner"] {
            let action = format!("s3:{action}");
            assert_eq!(said(json!(action), json!(objects)), None, "{action}");
            assert_eq!(said(json!(action), json!(bucket)), none, "{action}");
        }
        assert_eq!(said(json!("s3:PutLifecycleConfiguration"), json!(objects)), none);
        for resource in [bucket, objects] {
            let unknown = json!(["s3:TagResource", "s3:ObjectsOfTomorrow", "s3:Get"]);
            assert_eq!(said(unknown, json!(resource)), None);
        }
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
