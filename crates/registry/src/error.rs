//! Why a registry gave nothing.

use http::StatusCode;

/// Why a registry gave nothing, in containerd's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It has no such thing.
    #[error("not found")]
    NotFound,
    /// It wants other credentials, or any.
    #[error("pull access denied, repository does not exist or may require authorization: {0}")]
    Denied(String),
    /// The token that it wants was not to be had.
    #[error("failed to authorize: failed to fetch {kind} token: {why}")]
    NoToken {
        /// `anonymous`, or `oauth` with a login.
        kind: &'static str,
        /// Why.
        why: Box<RegistryError>,
    },
    /// It answered something else than what was asked for.
    #[error("unexpected status from GET request to {url}: {status}{said}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer.
        status: StatusCode,
        /// What it said about it: empty, or `: CODE: TEXT`.
        said: String,
    },
    /// It did not answer, or broke off.
    #[error("failed to do request: Get \"{url}\": {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        why: String,
    },
    /// Its answer makes no sense.
    #[error("{0}")]
    Malformed(String),
}

impl RegistryError {
    /// True when the same question may be answered later with nothing else changed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotFound | Self::Denied(_) | Self::Malformed(_) => false,
            Self::NoToken { why, .. } => why.is_transient(),
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            Self::Unreachable { .. } => true,
        }
    }
}
