//! One connection to the Runtime API.

mod registration;

use std::sync::Arc;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::http::{Bad, Head, Piece, Reader, Writer, json_answer, write_all};
use super::state::{NotNow, Parked, Polled};
use super::{Answer, Posted, RESPONSE_BYTES_MAX, RuntimeApi, STREAM_BYTES_MAX, StreamPiece, Turn};
use crate::telemetry::Api;

const ACCEPTED: &str = r#"{"status":"OK"}"#;

/// Longest body of a request that carries no response.
const SMALL_BYTES_MAX: u64 = 1 << 20;

struct Connection {
    api: Arc<RuntimeApi>,
    reader: Reader,
    writer: Writer,
    id: u64,
    /// Answers held back because the next request has already arrived.
    held: BytesMut,
    /// The request in hand is the last: the connection ends when it is answered.
    last: bool,
}

/// Serves requests until the peer closes or sends nonsense.
pub(super) async fn serve(api: Arc<RuntimeApi>, stream: TcpStream) {
    let (read, write) = stream.into_split();
    let id = {
        let mut state = api.state.lock();
        state.connection_count += 1;
        state.connection_count
    };
    let (reader, writer) = (Reader::new(read), Arc::new(write));
    let held = BytesMut::new();
    let mut connection = Connection { api, reader, writer, id, held, last: false };
    while !connection.last {
        let served = match connection.reader.head().await {
            Ok(Some(head)) => {
                connection.last = head.closes;
                connection.route(&head).await
            }
            Ok(None) => break,
            Err(bad) => Err(bad),
        };
        match served {
            Ok(()) => {}
            Err(Bad::TooLarge) => {
                let refused = refusal("413 Payload Too Large", "RequestEntityTooLarge", "");
                if connection.answer(refused).await.is_err() {
                    break;
                }
            }
            Err(Bad::Malformed(reason)) => {
                let refused = refusal("400 Bad Request", "InvalidRequest", reason);
                let held = connection.held.split();
                let _ = write_all(&connection.writer, &[&held, &refused]).await; // it ends anyway
                break;
            }
            Err(Bad::Gone) => break,
        }
    }
    let Connection { api, mut reader, writer, id, last, .. } = connection;
    drop(writer); // whoever still has to answer on it ends it
    if last {
        reader.rest().await;
    }
    api.state.lock().forget(id);
}

impl Connection {
    async fn route(&mut self, head: &Head) -> Result<(), Bad> {
        if let Some(path) = head.path.strip_prefix("/2018-06-01/runtime/") {
            return match (head.method.as_str(), path) {
                ("GET", "invocation/next") => self.next(head).await,
                ("POST", "init/error") => self.init_error(head).await,
                ("POST", path) => match path.strip_prefix("invocation/") {
                    Some(rest) => match rest.split_once('/') {
                        Some((id, "response")) => self.response(head, id).await,
                        Some((id, "error")) => self.error(head, id).await,
                        _ => self.not_found(head).await,
                    },
                    None => self.not_found(head).await,
                },
                _ => self.not_found(head).await,
            };
        }
        match (head.method.as_str(), head.path.as_str()) {
            ("POST", "/2020-01-01/extension/register") => self.register(head).await,
            ("GET", "/2020-01-01/extension/event/next") => self.extension_next(head).await,
            ("POST", "/2020-01-01/extension/init/error") => self.extension_error(head, true).await,
            ("POST", "/2020-01-01/extension/exit/error") => self.extension_error(head, false).await,
            ("PUT", "/2022-07-01/telemetry" | "/2022-07-01/telemetry/") => {
                self.subscribe(head, Api::Telemetry).await
            }
            ("PUT", "/2020-08-15/logs" | "/2020-08-15/logs/") => {
                self.subscribe(head, Api::Logs).await
            }
            _ => self.not_found(head).await,
        }
    }

    /// Answers now, or together with the answer to a request that has already arrived.
    async fn answer(&mut self, answer: Bytes) -> Result<(), Bad> {
        if self.reader.has_more() && self.held.len() < 4096 && !self.last {
            self.held.extend_from_slice(&answer);
            return Ok(());
        }
        let held = self.held.split();
        Ok(write_all(&self.writer, &[&held, &answer]).await?)
    }

    fn park(&mut self) -> Parked {
        let writer = Arc::clone(&self.writer);
        Parked { writer, prefix: self.held.split().freeze(), connection: self.id }
    }

    /// `GET /runtime/invocation/next`
    async fn next(&mut self, head: &Head) -> Result<(), Bad> {
        self.reader.body(head, &self.writer, SMALL_BYTES_MAX).await?;
        let parked = self.park();
        let prefix = parked.prefix.clone();
        let polled = {
            let mut state = self.api.state.lock();
            if state.is_init() {
                self.api.parts.journal.init_runtime_done(None);
            }
            let polled = state.poll(parked);
            state.times.polled(&self.api.parts.clock);
            self.api.settle(state);
            polled
        };
        match polled {
            Polled::Parked => Ok(()),
            Polled::Event(event) => Ok(write_all(&self.writer, &[&prefix, &event]).await?),
            Polled::Refused(from) => {
                let refused = transition(from, "RuntimeReady");
                Ok(write_all(&self.writer, &[&prefix, &refused]).await?)
            }
        }
    }

    /// `POST /runtime/invocation/ID/response`
    async fn response(&mut self, head: &Head, id: &str) -> Result<(), Bad> {
        let taken = self.take_answer(id);
        let answer = match taken {
            Ok(answer) => answer,
            Err(refused) => return self.refuse_answer(head, refused).await,
        };
        let streams = head.header("lambda-runtime-function-response-mode");
        if streams.is_some_and(|mode| mode.eq_ignore_ascii_case("streaming")) {
            return self.stream(head, answer).await;
        }
        match self.reader.body(head, &self.writer, RESPONSE_BYTES_MAX).await {
            Ok(body) => self.accept(answer, Answer::Response(body)).await,
            Err(Bad::TooLarge) => {
                self.deliver(answer, Answer::TooLarge).await;
                Err(Bad::TooLarge)
            }
            Err(bad) => Err(bad),
        }
    }

    /// `POST /runtime/invocation/ID/error`
    async fn error(&mut self, head: &Head, id: &str) -> Result<(), Bad> {
        let taken = self.take_answer(id);
        let answer = match taken {
            Ok(answer) => answer,
            Err(refused) => return self.refuse_answer(head, refused).await,
        };
        match self.reader.body(head, &self.writer, RESPONSE_BYTES_MAX).await {
            Ok(document) => {
                let error_type = error_type(head, &document);
                self.accept(answer, Answer::Error { error_type, document }).await
            }
            Err(Bad::TooLarge) => {
                self.deliver(answer, Answer::TooLarge).await;
                Err(Bad::TooLarge)
            }
            Err(bad) => Err(bad),
        }
    }

    fn take_answer(&self, id: &str) -> Result<oneshot::Sender<Posted>, NotNow> {
        let mut state = self.api.state.lock();
        let taken = state.take_answer(id)?;
        state.times.responding(&self.api.parts.clock);
        Ok(taken)
    }

    fn mark_answered(&self) {
        let mut state = self.api.state.lock();
        state.mark_answered();
        state.times.responded(&self.api.parts.clock);
    }

    async fn accept(&mut self, to: oneshot::Sender<Posted>, answer: Answer) -> Result<(), Bad> {
        self.deliver(to, answer).await;
        self.answer(json_answer("202 Accepted", "", ACCEPTED)).await
    }

    /// Lets the invoker go on before this connection does.
    async fn deliver(&self, to: oneshot::Sender<Posted>, answer: Answer) {
        self.mark_answered();
        let (over, is_over) = oneshot::channel();
        let turn = Some(Turn { _over: over });
        if to.send(Posted { answer, turn }).is_ok() {
            let _ = is_over.await; // it is never told otherwise than by being dropped
        }
    }

    async fn stream(&mut self, head: &Head, to: oneshot::Sender<Posted>) -> Result<(), Bad> {
        let (sender, pieces) = mpsc::channel(16);
        let content_type = head.header("content-type").unwrap_or("application/octet-stream");
        let answer = Answer::Stream { content_type: content_type.to_owned(), pieces };
        let _ = to.send(Posted { answer, turn: None }); // an invoker that is gone has timed out
        let mut total = 0;
        let last = loop {
            match self.reader.piece(head).await? {
                Piece::Data(data) => {
                    total += data.len() as u64;
                    if total <= STREAM_BYTES_MAX {
                        let _ = sender.send(StreamPiece::Data(data)).await; // nobody listens
                    }
                }
                Piece::End(trailers) => break stream_end(&trailers, total),
            }
        };
        self.mark_answered();
        let _ = sender.send(last).await;
        tokio::task::yield_now().await;
        self.answer(json_answer("202 Accepted", "", ACCEPTED)).await
    }

    async fn refuse_answer(&mut self, head: &Head, refused: NotNow) -> Result<(), Bad> {
        self.reader.skip(head, &self.writer).await?;
        let answer = match refused {
            NotNow::WrongId => refusal("400 Bad Request", "InvalidRequestID", "Invalid request ID"),
            NotNow::State(from) => transition(from, "RuntimeInvocationResponse"),
        };
        self.answer(answer).await
    }

    /// `POST /runtime/init/error`
    async fn init_error(&mut self, head: &Head) -> Result<(), Bad> {
        let document = self.reader.body(head, &self.writer, SMALL_BYTES_MAX).await?;
        let error_type = error_type(head, &document);
        let accepted = self.api.state.lock().fail_init(error_type.clone(), document);
        if accepted {
            self.api.parts.journal.init_runtime_done(Some(error_type));
        }
        let answer = match accepted {
            true => json_answer("202 Accepted", "", ACCEPTED),
            false => transition("RuntimeReady", "RuntimeInitError"),
        };
        self.answer(answer).await
    }

    async fn not_found(&mut self, head: &Head) -> Result<(), Bad> {
        self.reader.skip(head, &self.writer).await?;
        let reason = format!("{} {} is not part of this API", head.method, head.path);
        self.answer(refusal("404 Not Found", "InvalidPath", &reason)).await
    }
}

fn stream_end(trailers: &[(String, String)], total: u64) -> StreamPiece {
    if total > STREAM_BYTES_MAX {
        let document = json!({
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": format!(
                "Response payload size exceeded maximum allowed payload size \
                 ({STREAM_BYTES_MAX} bytes)."
            ),
        });
        let error_type = "Function.ResponseSizeTooLarge".to_owned();
        return StreamPiece::Error { error_type, document: document.to_string().into() };
    }
    let of = |name: &str| trailers.iter().find(|(known, _)| known == name).map(|(_, text)| text);
    let Some(error_type) = of("lambda-runtime-function-error-type") else {
        return StreamPiece::End;
    };
    let body = of("lambda-runtime-function-error-body").map(String::as_str).unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(body);
    let document = decoded.unwrap_or_else(|_| body.as_bytes().to_vec()).into();
    StreamPiece::Error { error_type: error_type.clone(), document }
}

/// From the header; runtimes that send none name the type in the document.
fn error_type(head: &Head, document: &[u8]) -> String {
    if let Some(given) = head.header("lambda-runtime-function-error-type") {
        return given.to_owned();
    }
    let document: serde_json::Value = serde_json::from_slice(document).unwrap_or_default();
    document["errorType"].as_str().unwrap_or("Runtime.Unknown").to_owned()
}

fn transition(from: &str, to: &str) -> Bytes {
    let reason = format!("Transition from {from} to {to} is not allowed");
    refusal("403 Forbidden", "InvalidStateTransition", &reason)
}

fn refusal(status: &str, kind: &str, reason: &str) -> Bytes {
    let reason = match reason {
        "" => format!("Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."),
        reason => reason.to_owned(),
    };
    let body = json!({ "errorMessage": reason, "errorType": kind }).to_string();
    json_answer(status, "", &body)
}
