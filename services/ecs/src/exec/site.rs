//! The address of data channels on haar's port.

#![allow(clippy::disallowed_methods)] // spawns a future per session: it outlives its request

use std::sync::Arc;

use futures_util::future::BoxFuture;
use haar_datachannel::socket_config;
use haar_kernel::Site;
use haar_wire::Body;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::conversation::converse;
use crate::Ecs;

/// Before a session's id.
const PATH: &str = "/v1/data-channel/";

/// Takes the WebSockets of sessions that `ExecuteCommand` offered.
pub struct DataChannels {
    room: Arc<Ecs>,
}

impl DataChannels {
    /// The channels of a room.
    pub fn new(room: Arc<Ecs>) -> Self {
        Self { room }
    }

    /// Where a session's channel is, seen from a caller that knows haar by this address.
    pub(crate) fn url(endpoint: &str, session: &str) -> String {
        let place = match endpoint.split_once("://") {
            Some(("https", place)) => format!("wss://{place}"),
            Some((_, place)) => format!("ws://{place}"),
            None => format!("ws://{endpoint}"),
        };
        format!("{place}{PATH}{session}?role=publish_subscribe")
    }

    fn upgrade(&self, mut request: Request<Body>) -> Response<Body> {
        let session = request.uri().path().strip_prefix(PATH).unwrap_or_default().to_owned();
        if !self.room.sessions.waits(&self.room.doors.clock, &session) {
            return refusal(StatusCode::NOT_FOUND, "there is no such session to open");
        }
        let coming = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        let answer = match create_response(&Request::from_parts(parts, ())) {
            Ok(answer) => answer,
            Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let room = Arc::clone(&self.room);
        tokio::spawn(async move {
            let socket = match coming.await {
                Ok(socket) => TokioIo::new(socket),
                Err(error) => return tracing::debug!(%error, "a data channel did not open"),
            };
            let config = Some(socket_config());
            let socket = WebSocketStream::from_raw_socket(socket, Role::Server, config).await;
            converse(&room, &session, socket).await;
        });
        answer.map(|()| Body::empty())
    }
}

impl Site for DataChannels {
    fn claims(&self, _host: &str, parts: &Parts) -> bool {
        parts.uri.path().starts_with(PATH)
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move { self.upgrade(request) })
    }
}

fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
