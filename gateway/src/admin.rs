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
    /// `GET`, `POST` or `DELETE`.
    pub method: Method,
    /// Below `/_haar/`, such as `cost`.
    pub path: &'static str,
    /// Answers with a JSON document, or says why not.
    pub answer: AdminAnswer,
}

/// What a page is asked.
#[derive(Clone, Debug, Default)]
pub struct AdminQuestion {
    /// The query string.
    pub query: String,
    /// What was posted.
    pub body: Bytes,
}

/// See [`AdminPage::answer`].
pub type AdminAnswer = Arc<
    dyn Fn(
            AdminQuestion,
        ) -> Pin<Box<dyn Future<Output = Result<serde_json::Value, AdminFault>> + Send>>
        + Send
        + Sync,
>;

/// Why a page has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminFault {
    /// 500 where it is haar's own.
    pub status: StatusCode,
    /// In words, for whoever asked.
    pub message: String,
}

impl AdminFault {
    /// What was asked for cannot be.
    pub fn asked(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }
}

impl From<String> for AdminFault {
    fn from(message: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message }
    }
}

impl From<&str> for AdminFault {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

/// What those who come from LocalStack know haar's health by.
const THEIR_HEALTH: &str = "/_localstack/health";
/// And what they know a reset by.
const THEIR_RESET: &str = "/_localstack/state/reset";

/// Whether a request is for one of haar's own pages.
pub(crate) fn claims(path: &str) -> bool {
    [THEIR_HEALTH, THEIR_RESET].contains(&path) || path.starts_with("/_haar/")
}

/// The page below `/_haar/` that is asked for, by whichever of its names; None for health.
fn named<'p>(method: &Method, path: &'p str, body: &[u8]) -> Result<Option<&'p str>, AdminFault> {
    if path == THEIR_RESET {
        return Ok(Some("reset"));
    }
    if path != THEIR_HEALTH {
        return Ok(path.strip_prefix("/_haar/"));
    }
    if method != Method::POST {
        return Ok(None);
    }
    let asked: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match asked["action"].as_str() {
        Some("restart") => Ok(Some("reset")),
        _ => Err(AdminFault::asked(r#"post {"action": "restart"}, which resets haar"#)),
    }
}

/// Answers requests to haar's own pages. Nobody signs these requests: where policies decide, only
/// this machine hears more than that haar is well.
pub(crate) async fn answer(
    gateway: &Gateway,
    parts: &http::request::Parts,
    body: Bytes,
    peer: Option<IpAddr>,
) -> Response<Body> {
    let path = parts.uri.path();
    let page = match named(&parts.method, path, &body) {
        Ok(Some(page)) => page,
        Ok(None) => return json_page(StatusCode::OK, &gateway.health()),
        Err(AdminFault { status, message }) => {
            return json_page(status, &json!({ "error": message }));
        }
    };
    let is_near = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    match (&parts.method, page) {
        (&Method::GET, "health") => json_page(StatusCode::OK, &gateway.health()),
        _ if gateway.enforces() && !is_near => json_page(
            StatusCode::FORBIDDEN,
            &json!({ "error": "haar shows this page to its own machine only" }),
        ),
        (&Method::GET, "metrics") => text_page(gateway.metrics()),
        (method, page) => match gateway.page(method, page) {
            Some(found) => {
                let query = parts.uri.query().unwrap_or_default().to_owned();
                match (found.answer)(AdminQuestion { query, body }).await {
                    Ok(document) => json_page(StatusCode::OK, &document),
                    Err(AdminFault { status, message }) => {
                        json_page(status, &json!({ "error": message }))
                    }
                }
            }
            None => json_page(
                StatusCode::NOT_FOUND,
                &json!({ "error": format!("haar has no page {method} {path}") }),
            ),
        },
    }
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
