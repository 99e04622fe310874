//! haar's own pages, under `/_haar/`.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use haar_wire::Body;
use http::{Method, Response, StatusCode, header};
use serde_json::json;

use crate::Gateway;

/// One page under `/_haar/`: a method, a path, and what answers with JSON or text.
pub struct AdminPage {
    /// `GET` or `POST`.
    pub method: Method,
    /// Below `/_haar/`, such as `cost`.
    pub path: &'static str,
    /// Answers a query string with a JSON document, or a message for status 500.
    pub answer: AdminAnswer,
}

/// See [`AdminPage::answer`].
pub type AdminAnswer = Arc<
    dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<serde_json::Value, String>> + Send>>
        + Send
        + Sync,
>;

/// Answers requests to haar's own pages; `None` for any other path. Nobody signs these requests:
/// where policies decide, only this machine hears more than that haar is well.
pub(crate) async fn answer(
    gateway: &Gateway,
    parts: &http::request::Parts,
    peer: Option<IpAddr>,
) -> Option<Response<Body>> {
    let path = parts.uri.path();
    if path == "/_localstack/health" {
        return Some(json_page(StatusCode::OK, &gateway.health()));
    }
    let page = path.strip_prefix("/_haar/")?;
    let is_near = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    Some(match (&parts.method, page) {
        (&Method::GET, "health") => json_page(StatusCode::OK, &gateway.health()),
        _ if gateway.enforces() && !is_near => json_page(
            StatusCode::FORBIDDEN,
            &json!({ "error": "haar shows this page to its own machine only" }),
        ),
        (&Method::GET, "metrics") => text_page(gateway.metrics()),
        (method, page) => match gateway.page(method, page) {
            Some(found) => {
                let query = parts.uri.query().unwrap_or_default().to_owned();
                match (found.answer)(query).await {
                    Ok(document) => json_page(StatusCode::OK, &document),
                    Err(message) => {
                        json_page(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": message }))
                    }
                }
            }
            None => json_page(
                StatusCode::NOT_FOUND,
                &json!({ "error": format!("haar has no page {method} {path}") }),
            ),
        },
    })
}

pub(crate) fn json_page(status: StatusCode, document: &serde_json::Value) -> Response<Body> {
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    with_type(status, "application/json", text.into())
}

fn text_page(text: String) -> Response<Body> {
    with_type(StatusCode::OK, "text/plain; version=0.0.4", text.into())
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let value = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}
