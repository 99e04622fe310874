//! Function URLs on the network: `URLID.lambda-url.REGION.localhost`.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use haar_kernel::{Call, Site, host_of};
use haar_ledger::Snapshot;
use haar_types::RequestId;
use haar_wire::Body;
use http::request::Parts;
use http::{Request, Response};
use tokio::sync::mpsc;

use super::payload::SYNC_PAYLOAD_BYTES_MAX;
use super::url::{
    HTTP_INTEGRATION_RESPONSE, IamCaller, PreludeReader, UrlHead, UrlRequest, UrlResponse,
    add_cors_headers, function_failed, plain_stream_head, preflight, response,
};
use super::url_access::admit;
use crate::Lambda;
use crate::fleet::{InvokeError, InvokeRequest, StreamEvent, StreamOutcome};
use crate::lookup::{ResolvedVersion, resolve_key};
use crate::state::UrlRow;

/// Names the trace that a request belongs to.
const TRACE_HEADER: &str = "x-amzn-trace-id";

/// Serves function URLs.
pub struct UrlSite {
    room: Arc<Lambda>,
}

impl UrlSite {
    /// The site of a room's function URLs.
    pub fn new(room: Arc<Lambda>) -> Self {
        Self { room }
    }
}

impl Site for UrlSite {
    fn claims(&self, host: &str, _parts: &Parts) -> bool {
        host.split('.').nth(1) == Some("lambda-url")
    }

    /// All of it: the function's policy decides, and a signature where the URL asks for one.
    fn welcomes(&self, _host: &str, _parts: &Parts) -> bool {
        true
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let served = match read(body).await {
                Some(body) => self.answer(&parts, body).await,
                None => Err(message(413, "Request Too Long")),
            };
            served.unwrap_or_else(http_response)
        })
    }
}

impl UrlSite {
    async fn answer(&self, parts: &Parts, body: Bytes) -> Result<Response<Body>, UrlResponse> {
        let host = host_of(parts);
        let url_id = host.split('.').next().unwrap_or_default();
        let snapshot = self.room.doors.ledger.snapshot();
        let url = row_of(&snapshot, &host);
        let url = url.ok_or_else(|| message(403, "Forbidden"))?;
        let mut headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        if let Some(answer) = preflight(url.cors.as_ref(), parts.method.as_str(), &headers) {
            return Ok(http_response(answer));
        }
        let caller = admit(&self.room, parts, &body, &url)?;
        let chance = self.room.doors.ids.draw() as f64 / u64::MAX as f64;
        let qualifier = url.key.qualifier();
        let resolved = resolve_key(&snapshot, &url.key.function, qualifier, chance);
        let resolved = resolved.map_err(|_| message(403, "Forbidden"))?;
        resolved.check_invocable().map_err(|_| message(502, "Internal Server Error"))?;
        let request_id = self.room.doors.ids.uuid();
        let trace = self.trace(&resolved, &mut headers);
        let ip = parts.extensions.get::<IpAddr>().map_or("127.0.0.1".to_owned(), IpAddr::to_string);
        let event = UrlRequest {
            method: parts.method.as_str(),
            raw_path: parts.uri.path(),
            raw_query: parts.uri.query().unwrap_or_default(),
            protocol: "HTTP/1.1",
            headers: &headers,
            body,
            domain_name: &host,
            url_id,
            source_ip: &ip,
            request_id: &request_id,
            at: self.room.doors.clock.now(),
            caller: caller.as_ref().map(caller_of),
        };
        let request = self.request(&resolved, &request_id, event.event(), trace.clone());
        let target = self.room.cached_target(&resolved.version);
        let finish = |head: &mut UrlHead| {
            add_cors_headers(url.cors.as_ref(), &headers, head);
            head.headers.push(("x-amzn-requestid".to_owned(), request_id.clone()));
            head.headers.push((TRACE_HEADER.to_owned(), trace));
        };
        if url.invoke_mode == "RESPONSE_STREAM" {
            let stream = self.room.fleet.invoke_streaming(target, request).await;
            return streamed(stream.map_err(not_reached)?, finish).await;
        }
        let outcome = self.room.fleet.invoke(target, request).await.map_err(not_reached)?;
        let mut answer = match outcome.function_error {
            Some(_) => function_failed(),
            None => response(&outcome.payload),
        };
        finish(&mut answer.head);
        Ok(http_response(answer))
    }

    /// The function's tracing header; its event shows which trace that is. Loops are not
    /// stopped here: AWS counts what comes by its SDKs.
    fn trace(&self, resolved: &ResolvedVersion, headers: &mut Vec<(String, String)>) -> String {
        let given = headers.iter().find(|(name, _)| name == TRACE_HEADER);
        let given = given.map(|(_, value)| value.clone());
        let link = self.room.link(&resolved.function, &resolved.version, given.as_deref());
        if given.is_none() {
            let root = link.trace.split(';').next().unwrap_or_default().to_owned();
            headers.push((TRACE_HEADER.to_owned(), root));
        }
        link.trace
    }

    fn request(
        &self,
        resolved: &ResolvedVersion,
        id: &str,
        event: Bytes,
        trace: String,
    ) -> InvokeRequest {
        InvokeRequest {
            request_id: RequestId::new(id),
            invoked_arn: resolved.invoked_arn().to_string(),
            event,
            client_context: None,
            trace: Some(trace),
            limits: self.room.cached_limits(&resolved.function),
            wants_tail: false,
            alias: resolved.alias.as_ref().map(|alias| alias.name.clone()),
        }
    }
}

/// The URL whose id a host's name begins with.
fn row_of(snapshot: &Snapshot, host: &str) -> Option<Arc<UrlRow>> {
    let id = host.split('.').next().unwrap_or_default();
    snapshot.by_index::<UrlRow>(UrlRow::BY_URL_ID, id).next()
}

fn caller_of(call: &Call) -> IamCaller<'_> {
    IamCaller {
        account: &call.account,
        access_key: call.principal.access_key_id.as_deref().unwrap_or_default(),
        arn: call.principal.arn(),
        user_id: call.principal.identity.user_id(),
    }
}

/// Answers as soon as the head is known; the body follows as it comes.
async fn streamed(
    mut stream: StreamOutcome,
    finish: impl FnOnce(&mut UrlHead),
) -> Result<Response<Body>, UrlResponse> {
    let mut prelude = PreludeReader::default();
    let with_prelude = stream.content_type == HTTP_INTEGRATION_RESPONSE;
    let (mut head, first) = loop {
        match stream.events.recv().await {
            Some(StreamEvent::Payload(bytes)) if with_prelude => {
                if let Some(found) = prelude.push(&bytes)? {
                    break found;
                }
            }
            Some(StreamEvent::Payload(bytes)) => {
                break (plain_stream_head(&stream.content_type), bytes);
            }
            Some(StreamEvent::Complete { error_code: None, .. }) if !with_prelude => {
                break (plain_stream_head(&stream.content_type), Bytes::new());
            }
            Some(StreamEvent::Complete { .. }) | None => return Err(function_failed()),
        }
    };
    finish(&mut head);
    let rest = futures_util::stream::unfold(stream.events, next_piece);
    let first = futures_util::stream::iter((!first.is_empty()).then_some(Ok(first)));
    Ok(with_head(&head, Body::stream(first.chain(rest))))
}

async fn next_piece(
    mut events: mpsc::Receiver<StreamEvent>,
) -> Option<(Result<Bytes, haar_wire::BodyError>, mpsc::Receiver<StreamEvent>)> {
    match events.recv().await? {
        StreamEvent::Payload(bytes) => Some((Ok(bytes), events)),
        StreamEvent::Complete { .. } => None, // an error midway ends the body, as on AWS
    }
}

fn not_reached(error: InvokeError) -> UrlResponse {
    match error {
        InvokeError::TooManyRequests(_) => message(429, "Rate Exceeded."),
        InvokeError::Role => message(502, &error.to_string()),
        InvokeError::InvalidRuntime(text) | InvokeError::Service(text) => message(502, &text),
    }
}

fn message(status: u16, text: &str) -> UrlResponse {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let body = serde_json::json!({ "Message": text }).to_string();
    UrlResponse { head: UrlHead { status, headers }, body: body.into() }
}

fn http_response(answer: UrlResponse) -> Response<Body> {
    with_head(&answer.head, answer.body.into())
}

/// Headers that are no headers, or that the server sets itself, are left out.
fn with_head(head: &UrlHead, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    for (name, value) in &head.headers {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        let value = http::HeaderValue::from_str(value);
        if let (Ok(name), Ok(value)) = (name, value)
            && name != http::header::CONTENT_LENGTH
            && name != http::header::TRANSFER_ENCODING
            && name != http::header::CONNECTION
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// The whole body; `None` when it is too long.
async fn read(body: Body) -> Option<Bytes> {
    let mut whole = Vec::new();
    let mut chunks = std::pin::pin!(body.into_stream());
    while let Some(chunk) = chunks.next().await {
        whole.extend_from_slice(&chunk.ok()?);
        if whole.len() > SYNC_PAYLOAD_BYTES_MAX {
            return None;
        }
    }
    Some(whole.into())
}
