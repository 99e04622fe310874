//! What EventBridge refuses, in its words.

use haar_kv::KvError;
use haar_wire::AwsError;

/// A value that is wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", 400, text)
}

/// Nothing there.
pub(crate) fn not_found(text: impl Into<String>) -> AwsError {
    AwsError::new("ResourceNotFoundException", 400, text)
}

/// The account has no such bus.
pub(crate) fn no_bus(name: &str) -> AwsError {
    not_found(format!("Event bus {name} does not exist."))
}

/// The bus has no such rule.
pub(crate) fn no_rule(name: &str, bus: &str) -> AwsError {
    not_found(format!("Rule {name} does not exist on EventBus {bus}."))
}

/// The name is taken.
pub(crate) fn exists(text: impl Into<String>) -> AwsError {
    AwsError::new("ResourceAlreadyExistsException", 400, text)
}

/// One more than a quota allows.
pub(crate) fn too_many() -> AwsError {
    let text = "The requested resource exceeds the maximum number allowed.";
    AwsError::new("LimitExceededException", 400, text)
}

/// The text is no event pattern; `reason` says why, and where.
pub(crate) fn bad_pattern(reason: impl std::fmt::Display) -> AwsError {
    let text = format!("Event pattern is not valid. Reason: {reason}");
    AwsError::new("InvalidEventPatternException", 400, text)
}

/// A page's token is none of the listing's.
pub(crate) fn bad_token(_: haar_kernel::BadToken) -> AwsError {
    invalid("Parameter NextToken is not valid.")
}

/// Records did not reach the disk.
pub(crate) fn not_kept(error: KvError) -> AwsError {
    tracing::error!(%error, "could not keep events");
    let text = match error {
        KvError::Full(_) => "The events could not be written: the disk is full.",
        _ => "The events could not be written.",
    };
    AwsError::new("InternalException", 500, text)
}
