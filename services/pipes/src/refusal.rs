//! What Pipes refuses, in its words.

use haar_pipes_contract::{
    ConflictException, NotFoundException, PipeState, ServiceQuotaExceededException,
    ValidationException, ValidationExceptionField,
};
use haar_wire::AwsError;
use serde_json::json;

/// A value that is wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    ValidationException::message(text).into()
}

/// One member that is wrong: the service names it within a document.
pub(crate) fn invalid_field(name: &str, text: impl Into<String>) -> AwsError {
    let message: String = text.into();
    let fields = json!({ "ValidationErrorFields": [{ "Name": name, "Message": message }] });
    let field = ValidationExceptionField { name: name.to_owned(), message };
    ValidationException { message: Some(fields.to_string()), field_list: Some(vec![field]) }.into()
}

/// A member that the source or target needs.
pub(crate) fn missing_field(name: &str) -> AwsError {
    invalid_field(name, "Missing required parameter.")
}

/// The account has no such pipe.
pub(crate) fn no_pipe(name: &str) -> AwsError {
    NotFoundException::message(format!("Pipe {name} does not exist.")).into()
}

/// The name is taken.
pub(crate) fn exists(name: &str) -> AwsError {
    conflict(name, format!("Pipe {name} already exists."))
}

/// Something else is being done with the pipe.
pub(crate) fn in_transition(name: &str, state: PipeState) -> AwsError {
    conflict(name, format!("Pipe {name} is in state {}.", state.as_str()))
}

fn conflict(name: &str, message: String) -> AwsError {
    let (resource_id, resource_type) = (name.to_owned(), "pipe".to_owned());
    ConflictException { message, resource_id, resource_type }.into()
}

/// One more than the quota allows.
pub(crate) fn too_many(name: &str) -> AwsError {
    ServiceQuotaExceededException {
        message: "The maximum number of pipes for this account has been reached.".to_owned(),
        resource_id: name.to_owned(),
        resource_type: "pipe".to_owned(),
        service_code: "pipes".to_owned(),
        quota_code: String::new(),
    }
    .into()
}

/// What AWS has and haar has not.
pub(crate) fn not_here(what: &str) -> AwsError {
    AwsError::new("NotImplemented", 501, format!("haar has no {what} for pipes yet"))
}

/// A page's token is none of the listing's.
pub(crate) fn bad_token(_: haar_kernel::BadToken) -> AwsError {
    invalid("Invalid NextToken provided.")
}
