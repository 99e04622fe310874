//! HTTP and HTTPS calls to endpoints that customers name: one kept client, a limit of time, the
//! beginning of the answer.
//!
//! **Invariant:** a call is made once; whether it is made again is its room's to decide.
//!
//! Begin reading at [`Caller`].

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::Clock;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Bytes of a body that are read where the status alone counts: so many, that most connections
/// can be kept.
pub const STATUS_ALONE: usize = 4 << 10;

/// Marks an answer (among its extensions) whose body was longer than was to be read. Nothing of it
/// is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Marks an answer (among its extensions) whose body broke off, and says how. Nothing of it is
/// kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenOff(pub String);

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Calls. Connections are made when first needed and kept.
#[derive(Debug)]
pub struct Caller {
    client: OnceLock<Result<Https, String>>,
    answer_max: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The endpoint could not be reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// The endpoint took too long.
    #[error("the endpoint did not answer in time")]
    TimedOut,
}

impl Caller {
    /// One whose endpoints may take so long, from the connection to the end of the answer.
    pub fn new(answer_max: Duration) -> Self {
        Self { client: OnceLock::new(), answer_max }
    }

    /// Sends a request and reads the answer, whatever its status, with a body of so many bytes at
    /// most. One without its body is marked [`TooLong`] or [`BrokenOff`]: who has use for the
    /// status alone is told that.
    ///
    /// # Errors
    /// When there is no answer. Each of them may pass.
    pub async fn call(
        &self,
        clock: &Clock,
        request: Request<Full<Bytes>>,
        body_max: usize,
    ) -> Result<Response<Bytes>, CallError> {
        let client = self.client.get_or_init(connect).as_ref();
        let client = client.map_err(|error| CallError::Unreachable(error.clone()))?;
        let exchange = async {
            let answer = client.request(request).await;
            let answer = answer.map_err(|error| CallError::Unreachable(told(&error)))?;
            let (mut parts, body) = answer.into_parts();
            let body = Limited::new(body, body_max).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_else(|error| {
                if error.is::<LengthLimitError>() {
                    parts.extensions.insert(TooLong);
                } else {
                    parts.extensions.insert(BrokenOff(told(&*error)));
                }
                Bytes::new()
            });
            Ok(Response::from_parts(parts, body))
        };
        clock.timeout(self.answer_max, exchange).await.unwrap_or(Err(CallError::TimedOut))
    }
}

/// An error with what caused it, which the client keeps to itself.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

fn connect() -> Result<Https, String> {
    let builder = HttpsConnectorBuilder::new().with_native_roots();
    let builder = builder.map_err(|error| format!("no certificates of authorities: {error}"))?;
    let connector = builder.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
