//! The client's side of a session.

use std::io::{self, Write};
use std::ops::ControlFlow;

use bytes::Bytes;
use haar_clock::{Clock, IdSource};
use haar_datachannel::documents::{
    self, Flag, HandshakeRequest, HandshakeResponse, OpenDataChannel, ProcessedAction,
    RequestedAction, SESSION_TYPE,
};
use haar_datachannel::{Heard, Incoming, Line, PayloadKind, Role, socket_config};
use http::Uri;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

use super::terminal;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Statuses of actions.
const DONE: i64 = 1;
const UNSUPPORTED: i64 = 3;

/// A session that is open.
pub(super) struct Conversation {
    line: Line<TcpStream>,
    has_terminal: bool,
    /// The command runs.
    has_begun: bool,
    exit_code: Option<i32>,
}

/// How a conversation goes on, or what it comes to.
type Next = ControlFlow<Result<i32, String>>;

impl Conversation {
    /// Opens the channel that `ExecuteCommand` answered.
    pub(super) async fn open(answer: &Value, has_terminal: bool) -> Result<Self, String> {
        let session = &answer["session"];
        let text = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
        let (url, token) = (text("streamUrl"), text("tokenValue"));
        let uri: Uri = url.parse().map_err(|_| format!("{url} is no URL"))?;
        if uri.scheme_str() != Some("ws") {
            return Err(format!("{url} must begin with ws://"));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await;
        let stream = stream.map_err(|error| format!("nothing answers at {url}: {error}"))?;
        let _ = stream.set_nodelay(true); // slower without
        let config = Some(socket_config());
        let opened = tokio_tungstenite::client_async_with_config(uri, stream, config).await;
        let (socket, _) = opened.map_err(|error| format!("could not open {url}: {error}"))?;
        let ids = IdSource::system();
        let mut line = Line::new(socket, Role::Client, Clock::system(), ids.clone());
        let words = OpenDataChannel {
            message_schema_version: "1.0".to_owned(),
            request_id: ids.uuid(),
            token_value: token,
            client_id: ids.uuid(),
            client_version: VERSION.to_owned(),
            separate_output_stream: !has_terminal,
            exit_code: true,
        };
        let words = serde_json::to_string(&words).map_err(|error| error.to_string())?;
        line.say_text(words);
        Ok(Self { line, has_terminal, has_begun: false, exit_code: None })
    }

    /// Speaks with the command until it has ended; answers its exit code.
    pub(super) async fn hold(mut self) -> Result<i32, String> {
        let mut window = signal(SignalKind::window_change())
            .map_err(|error| format!("could not follow the window: {error}"))?;
        let mut input = Some(terminal::input());
        loop {
            let may_read = self.has_begun && input.is_some() && self.line.has_room();
            tokio::select! {
                incoming = self.line.hear(|| true) => {
                    if let ControlFlow::Break(end) = self.hear(incoming) {
                        self.line.hang_up().await;
                        return end;
                    }
                }
                typed = next(&mut input), if may_read => match typed {
                    Some(typed) => self.line.say(PayloadKind::Output, typed),
                    None => {
                        input = None;
                        self.line.say(PayloadKind::Flag, Flag::DisconnectToPort.encode());
                    }
                },
                _ = window.recv(), if self.has_terminal && self.has_begun => self.tell_size(),
            }
        }
    }

    fn hear(&mut self, incoming: Incoming) -> Next {
        let heard = match incoming {
            Incoming::Heard(heard) => heard,
            Incoming::Text(_) => return Next::Continue(()),
            Incoming::Gone => {
                let end = self.exit_code.ok_or_else(|| "the cloud hung up".to_owned());
                return Next::Break(end);
            }
        };
        for heard in heard {
            match heard {
                Heard::Data(kind, payload) => self.take(kind, &payload)?,
                Heard::Closed(closed) => {
                    let output = closed.output.trim().to_owned();
                    let ended = || match output.is_empty() {
                        true => "the session was ended".to_owned(),
                        false => output,
                    };
                    return Next::Break(self.exit_code.ok_or_else(ended));
                }
            }
        }
        Next::Continue(())
    }

    fn take(&mut self, kind: PayloadKind, payload: &Bytes) -> Next {
        match kind {
            PayloadKind::HandshakeRequest => self.shake_hands(payload),
            PayloadKind::HandshakeComplete => {
                self.has_begun = true;
                if self.has_terminal {
                    self.tell_size();
                }
            }
            PayloadKind::Output => print(io::stdout().lock(), payload)?,
            PayloadKind::StdErr | PayloadKind::Error => print(io::stderr().lock(), payload)?,
            PayloadKind::ExitCode => self.exit_code = documents::decode_exit_code(payload),
            _ => {}
        }
        Next::Continue(())
    }

    fn shake_hands(&mut self, payload: &[u8]) {
        let request = documents::decode::<HandshakeRequest>(payload);
        let actions = request.map(|request| request.requested_client_actions);
        let actions = actions.into_iter().flatten().map(process);
        let response = HandshakeResponse {
            client_version: VERSION.to_owned(),
            processed_client_actions: Some(actions.collect()),
            errors: None,
        };
        self.line.say(PayloadKind::HandshakeResponse, documents::encode(&response));
    }

    fn tell_size(&mut self) {
        if let Some(size) = terminal::size() {
            self.line.say(PayloadKind::Size, documents::encode(&size));
        }
    }
}

/// What is done is done by knowing the type of session; nothing else can be.
fn process(action: RequestedAction) -> ProcessedAction {
    let is_known = action.action_type == SESSION_TYPE;
    ProcessedAction {
        action_status: if is_known { DONE } else { UNSUPPORTED },
        action_result: Value::Null,
        error: match is_known {
            true => String::new(),
            false => format!("Unsupported action {}", action.action_type),
        },
        action_type: action.action_type,
    }
}

async fn next(input: &mut Option<tokio::sync::mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match input {
        Some(input) => input.recv().await,
        None => None,
    }
}

fn print(mut out: impl Write, bytes: &[u8]) -> Next {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Next::Continue(()),
        Err(error) => Next::Break(Err(format!("could not write the output: {error}"))),
    }
}
