//! Exports to buckets and imports from them.

mod export;
mod import;
mod read;

use std::time::Duration;

use haar_wire::AwsError;

/// How long a client's token stands for its request. AWS docs: *API Reference >
/// ExportTableToPointInTime*.
const TOKEN_LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);

/// What AWS does and haar does not.
fn not_offered(what: &str) -> AwsError {
    AwsError::new("NotImplemented", 501, format!("haar does not offer {what}"))
}
