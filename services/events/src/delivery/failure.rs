//! Why an attempt failed, as dead letters tell it.

use haar_kernel::targets::Undelivered;
use haar_wire::is_throttling;

/// A failed attempt. AWS docs: *Using dead-letter queues to process undelivered events*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One of the service's own codes, such as `NO_PERMISSIONS`.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The same may succeed later.
    pub(crate) is_transient: bool,
}

impl Failure {
    /// One that nothing will change.
    pub(crate) fn lasting(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), is_transient: false }
    }

    /// One that may pass.
    pub(crate) fn passing(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), is_transient: true }
    }
}

impl From<Undelivered> for Failure {
    fn from(error: Undelivered) -> Self {
        let code = match error.code.as_str() {
            code if is_throttling(code) => "THROTTLING",
            code if code.contains("AccessDenied") || code.contains("NotAuthorized") => {
                "NO_PERMISSIONS"
            }
            code if code.contains("NotFound")
                || code.contains("NonExistent")
                || code.contains("DoesNotExist") =>
            {
                "NO_RESOURCE"
            }
            code if code.contains("Invalid") || code.contains("Validation") => "INVALID_PARAMETER",
            code if code.contains("LimitExceeded") => "RESOURCE_LIMIT_EXCEEDED",
            _ if error.is_transient => "INTERNAL_ERROR",
            _ => "SDK_CLIENT_ERROR",
        };
        Self { code, message: error.to_string(), is_transient: error.is_transient }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_services_become_those_of_dead_letters() {
        let code = |code: &str, is_transient| {
            let (code, message) = (code.to_owned(), String::new());
            Failure::from(Undelivered { code, message, is_transient }).code
        };
        assert_eq!(code("AccessDeniedException", false), "NO_PERMISSIONS");
        assert_eq!(code("AWS.SimpleQueueService.NonExistentQueue", false), "NO_RESOURCE");
        assert_eq!(code("ResourceNotFoundException", false), "NO_RESOURCE");
        assert_eq!(code("ThrottlingException", true), "THROTTLING");
        assert_eq!(code("InvalidParameterException", false), "INVALID_PARAMETER");
        assert_eq!(code("ServiceException", true), "INTERNAL_ERROR");
        assert_eq!(code("NotImplemented", false), "SDK_CLIENT_ERROR");
    }
}
