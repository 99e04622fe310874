//! The refusals that Lambda's operations share, with AWS's words.

use std::fmt;

use haar_lambda_contract::model;
use haar_wire::AwsError;

/// Why a request is refused; each becomes the error of the same name in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `InvalidParameterValueException`, 400.
    InvalidParameterValue(String),
    /// `ResourceNotFoundException`, 404.
    ResourceNotFound(String),
    /// `ResourceConflictException`, 409.
    ResourceConflict(String),
    /// `PreconditionFailedException`, 412.
    PreconditionFailed(String),
    /// `PolicyLengthExceededException`, 400.
    PolicyLengthExceeded(String),
    /// `ProvisionedConcurrencyConfigNotFoundException`, 404.
    ProvisionedConcurrencyConfigNotFound(String),
    /// `ResourceInUseException`, 400.
    ResourceInUse(String),
    /// `RequestEntityTooLargeException`, 413.
    RequestTooLarge(String),
    /// `CodeSigningConfigNotFoundException`, 404.
    CodeSigningConfigNotFound(String),
    /// `CodeVerificationFailedException`, 400.
    CodeVerificationFailed(String),
    /// `CodeStorageExceededException`, 400.
    CodeStorageExceeded,
    /// `AccessDeniedException`, 403.
    AccessDenied(String),
    /// `ValidationException`, 400: a constraint that the model does not state.
    Validation(String),
}

impl Refusal {
    /// `InvalidParameterValueException` with a text.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::InvalidParameterValue(text.into())
    }

    /// A function, version or alias that is not there.
    pub fn no_function(arn: impl fmt::Display) -> Self {
        Self::ResourceNotFound(format!("Function not found: {arn}"))
    }

    /// An alias that is not there.
    pub fn no_alias(arn: impl fmt::Display) -> Self {
        Self::ResourceNotFound(format!("Cannot find alias arn: {arn}"))
    }

    /// A change while another is being made.
    pub fn update_in_progress(arn: impl fmt::Display) -> Self {
        Self::ResourceConflict(format!(
            "The operation cannot be performed at this time. \
             An update is in progress for resource: {arn}"
        ))
    }

    /// A revision id that is not the newest; `verbs` are the calls that tell it.
    pub fn old_revision(verbs: &str) -> Self {
        Self::PreconditionFailed(format!(
            "The Revision Id provided does not match the latest Revision Id. \
             Call the {verbs} API to retrieve the latest Revision Id"
        ))
    }

    /// A member that is missing, in the words of AWS's validation.
    pub fn constraint_null(member: &str) -> Self {
        Self::Validation(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
             Member must not be null."
        ))
    }

    /// A constraint in the words of AWS's validation.
    pub fn constraint(value: impl fmt::Display, member: &str, constraint: &str) -> Self {
        Self::Validation(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy \
             constraint: {constraint}"
        ))
    }
}

impl From<Refusal> for AwsError {
    fn from(refusal: Refusal) -> Self {
        let user = || Some("User".to_owned());
        match refusal {
            Refusal::InvalidParameterValue(text) => {
                model::InvalidParameterValueException { r#type: user(), message: Some(text) }.into()
            }
            Refusal::ResourceNotFound(text) => {
                model::ResourceNotFoundException { r#type: user(), message: Some(text) }.into()
            }
            Refusal::ResourceConflict(text) => {
                model::ResourceConflictException { r#type: user(), message: Some(text) }.into()
            }
            Refusal::PreconditionFailed(text) => {
                model::PreconditionFailedException { r#type: user(), message: Some(text) }.into()
            }
            Refusal::PolicyLengthExceeded(text) => {
                model::PolicyLengthExceededException { r#type: user(), message: Some(text) }.into()
            }
            Refusal::ProvisionedConcurrencyConfigNotFound(text) => {
                let (r#type, message) = (user(), Some(text));
                model::ProvisionedConcurrencyConfigNotFoundException { r#type, message }.into()
            }
            Refusal::ResourceInUse(text) => {
                model::ResourceInUseException { r#type: user(), message: Some(text) }.into()
            }
            Refusal::RequestTooLarge(text) => {
                AwsError::new("RequestEntityTooLargeException", 413, text)
            }
            Refusal::CodeSigningConfigNotFound(text) => {
                let (r#type, message) = (user(), Some(text));
                model::CodeSigningConfigNotFoundException { r#type, message }.into()
            }
            Refusal::CodeVerificationFailed(text) => {
                let (r#type, message) = (user(), Some(text));
                model::CodeVerificationFailedException { r#type, message }.into()
            }
            Refusal::CodeStorageExceeded => {
                let (r#type, message) = (user(), Some("Code storage limit exceeded.".to_owned()));
                model::CodeStorageExceededException { r#type, message }.into()
            }
            Refusal::AccessDenied(text) => AwsError::access_denied(text),
            Refusal::Validation(text) => AwsError::new("ValidationException", 400, text),
        }
    }
}
