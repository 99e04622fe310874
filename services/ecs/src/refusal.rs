//! The room's errors, in AWS's words.

use haar_ecs_contract::model::{
    ClientException, ClusterNotFoundException, InvalidParameterException,
    ServiceNotActiveException, ServiceNotFoundException,
};
use haar_wire::AwsError;

/// A parameter that makes no sense.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    InvalidParameterException::message(text).into()
}

/// What the client asked cannot be done with what is there.
pub(crate) fn client(text: impl Into<String>) -> AwsError {
    ClientException::message(text).into()
}

/// No such cluster.
pub(crate) fn no_cluster() -> AwsError {
    ClusterNotFoundException::message("Cluster not found.").into()
}

/// No such service.
pub(crate) fn no_service() -> AwsError {
    ServiceNotFoundException::message("Service not found.").into()
}

/// The service was deleted.
pub(crate) fn service_not_active() -> AwsError {
    ServiceNotActiveException::message("Service was not ACTIVE.").into()
}

/// No such task.
pub(crate) fn no_task() -> AwsError {
    invalid("The referenced task was not found.")
}

/// No such task definition.
pub(crate) fn no_definition() -> AwsError {
    client("Unable to describe task definition.")
}

/// A token that was not minted for this listing.
pub(crate) fn bad_token() -> AwsError {
    invalid("Invalid token")
}

/// What haar leaves to AWS; `what` is a parameter or one of its values.
pub(crate) fn not_here(what: &str) -> AwsError {
    invalid(format!("{what} is not supported by haar, which runs tasks on Fargate."))
}
