//! The little of HTTP that programs inside tasks are answered with: JSON documents, and small ones
//! taken.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::Clock;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How long a connection may be without a request.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Longest document that is taken.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What a program asks.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    /// Empty where it is too long, or took too long.
    pub(super) body: Bytes,
}

/// What it is answered.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) document: Value,
}

impl Reply {
    /// A document that is there.
    pub(super) fn ok(document: Value) -> Self {
        Self { status: StatusCode::OK, document }
    }
}

/// Serves one connection until it is to leave: then a request under way is still answered.
/// `answer` gets each request; `None`: there is no such.
pub(super) async fn serve<F, A>(
    clock: Clock,
    stream: TcpStream,
    leave: oneshot::Receiver<()>,
    answer: F,
) where
    F: Fn(Asked) -> A + Send + Sync + 'static,
    A: Future<Output = Option<Reply>> + Send,
{
    let (clock, answer) = (&clock, &answer);
    let service = service_fn(move |request: Request<Incoming>| async move {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect();
        let body = clock.timeout(IDLE_MAX, body).await.ok().and_then(Result::ok);
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let path = head.uri.path().to_owned();
        let found = answer(Asked { method: head.method, path, body }).await;
        Ok::<_, Infallible>(response(found))
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE_MAX);
    builder.half_close(true); // who has no more to ask waits for the answer all the same
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = leave => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection inside a task ended");
    }
}

fn response(found: Option<Reply>) -> Response<Full<Bytes>> {
    let Reply { status, document } = found.unwrap_or_else(|| Reply {
        status: StatusCode::NOT_FOUND,
        document: json!({ "code": "NotFound", "message": "no such path" }),
    });
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}
