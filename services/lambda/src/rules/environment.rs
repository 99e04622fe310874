//! Environment variables.

use std::collections::BTreeMap;

use crate::refusal::Refusal;

/// Bytes of all variables together, as JSON.
pub const ENVIRONMENT_BYTES_MAX: usize = 4096;

/// Keys that Lambda sets itself. AWS docs: *Developer Guide > Defined runtime environment
/// variables*; `_X_AMZN_TRACE_ID` is reserved, `TZ`, `LANG`, `PATH` and their like are not.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// Refuses variables that Lambda would not set.
///
/// # Errors
/// When a key is reserved or all together are too long.
pub fn check(variables: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|key| RESERVED.contains(key)).collect();
    if !reserved.is_empty() {
        return Err(Refusal::invalid(format!(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided contains reserved keys that are currently not supported \
             for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let json = serde_json::to_string(variables).expect("a map of texts is JSON");
    if json.len() > ENVIRONMENT_BYTES_MAX {
        return Err(Refusal::invalid(format!(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided exceeded the 4KB limit. String measured: {json}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str, value: &str) -> BTreeMap<String, String> {
        [(key.to_owned(), value.to_owned())].into()
    }

    #[test]
    fn variables_of_lambdas_own_are_refused_by_name() {
        let Err(Refusal::InvalidParameterValue(text)) = check(&one("AWS_REGION", "x")) else {
            panic!("reserved")
        };
        assert!(text.ends_with("Reserved keys used in this request: AWS_REGION"), "{text}");
        for own in ["PATH", "TZ", "AWS_XRAY_CONTEXT_MISSING"] {
            assert_eq!(check(&one(own, "mine")), Ok(()));
        }
    }

    #[test]
    fn four_kilobytes_fit_and_one_byte_more_does_not() {
        let room = ENVIRONMENT_BYTES_MAX - r#"{"K":""}"#.len();
        assert_eq!(check(&one("K", &"x".repeat(room))), Ok(()));
        let Err(Refusal::InvalidParameterValue(text)) = check(&one("K", &"x".repeat(room + 1)))
        else {
            panic!("too long")
        };
        assert!(text.contains(r#"exceeded the 4KB limit. String measured: {"K":"xxx"#));
    }
}
