//! What Parameter Store refuses, in its words.

use haar_ssm_contract::{ParameterNotFound, ParameterVersionNotFound};
use haar_wire::AwsError;

/// A value that is wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", 400, text)
}

/// No such parameter; AWS says no more.
pub(crate) fn not_found() -> AwsError {
    ParameterNotFound::message("").into()
}

/// The parameter has no such version.
pub(crate) fn no_version(name: &str, version: i64) -> AwsError {
    let text = format!(
        "Systems Manager could not find version {version} of {name}. Verify the version and try \
         again."
    );
    ParameterVersionNotFound::message(text).into()
}

/// No version of the parameter has this label.
pub(crate) fn no_label(name: &str, label: &str) -> AwsError {
    let text = format!(
        "Systems Manager could not find label {label} for parameter {name}. Verify the label and \
         try again."
    );
    ParameterVersionNotFound::message(text).into()
}
