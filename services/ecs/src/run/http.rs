//! The little of HTTP that programs inside tasks are answered with: `GET` of a JSON document.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// How long a connection may be without a request.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Serves one connection. `answer` gets the path of each request; `None`: there is no such.
pub(super) async fn serve<F, A>(stream: TcpStream, answer: F)
where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = Option<Value>> + Send,
{
    let service = service_fn(|request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        let is_get = request.method() == Method::GET;
        let asked = is_get.then(|| answer(path));
        async move {
            let found = match asked {
                Some(asked) => asked.await,
                None => None,
            };
            Ok::<_, Infallible>(response(found))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection inside a task ended");
    }
}

fn response(found: Option<Value>) -> Response<Full<Bytes>> {
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let body = found.unwrap_or_else(|| json!({ "code": "NotFound", "message": "no such path" }));
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}
