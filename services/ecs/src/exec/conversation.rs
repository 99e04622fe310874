//! One session from its first words to its last.

use std::time::Duration;

use bytes::Bytes;
use haar_datachannel::documents::{
    self, HandshakeComplete, HandshakeRequest, HandshakeResponse, INTERACTIVE_COMMANDS,
    OpenDataChannel, RequestedAction, SESSION_TYPE,
};
use haar_datachannel::{Heard, Incoming, Line, PayloadKind, Role};
use haar_substrate::TerminalSize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;

use super::command::{self, End, Running};
use super::sessions::Offer;
use crate::Ecs;

/// How long a client may take for its first words, and to shake hands. *Ours*.
const GREETING_MAX: Duration = Duration::from_secs(30);
/// How long a command waits for the size of its terminal, which clients tell next. *Ours*.
const SIZE_MAX: Duration = Duration::from_millis(300);
/// How long a client may take to acknowledge the last of the output. *Ours*.
const SETTLE_MAX: Duration = Duration::from_secs(300);
/// What is kept of what clients say before the command runs. *Ours*.
const EARLY_BYTES_MAX: usize = 64 << 10;
/// What clients look at for what they may do: what SSM's agent of these features calls itself.
const AGENT_VERSION: &str = "3.3.0.0";
/// A terminal whose size nobody tells.
const SIZE_USUAL: TerminalSize = TerminalSize { rows: 24, columns: 80 };
/// The status of an action that was done.
const DONE: i64 = 1;

/// What came before the command runs.
pub(super) type Early = Vec<(PayloadKind, Bytes)>;

/// Speaks with a client until the command or the client has gone.
pub(super) async fn converse<S>(room: &Ecs, session: &str, socket: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let clock = &room.doors.clock;
    let mut line = Line::new(socket, Role::Agent, clock.clone(), room.doors.ids.clone());
    let opened = clock.timeout(GREETING_MAX, opened(room, session, &mut line)).await;
    let Ok(Some((offer, wishes))) = opened else {
        tracing::info!(%session, "a data channel was opened without its token");
        return line.hang_up().await;
    };
    line.start();
    let end = match clock.timeout(GREETING_MAX, greet(&mut line)).await {
        Ok(Ok(early)) => run(room, session, (&offer, &wishes), &mut line, early).await,
        Ok(Err(End::Gone)) => End::Gone,
        Ok(Err(end)) => end,
        Err(_) => End::Told("The client did not finish the handshake.".to_owned()),
    };
    match end {
        End::Gone => line.hang_up().await,
        End::Told(output) => {
            line.settle(SETTLE_MAX).await;
            line.close(session, &offer.target, &output).await;
        }
    }
}

/// Hears the first words; none where they do not open the session.
async fn opened<S>(
    room: &Ecs,
    session: &str,
    line: &mut Line<S>,
) -> Option<(Offer, OpenDataChannel)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match line.hear(|| false).await {
            Incoming::Text(text) => {
                let words: OpenDataChannel = documents::decode(text.as_bytes())?;
                let token = &words.token_value;
                let offer = room.sessions.open(&room.doors.clock, session, token)?;
                return Some((offer, words));
            }
            Incoming::Heard(_) => {}
            Incoming::Gone => return None,
        }
    }
}

/// Tells the client what kind of session it is, and hears that it agrees.
async fn greet<S>(line: &mut Line<S>) -> Result<Early, End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = HandshakeRequest {
        agent_version: AGENT_VERSION.to_owned(),
        requested_client_actions: vec![RequestedAction {
            action_type: SESSION_TYPE.to_owned(),
            action_parameters: json!({ "SessionType": INTERACTIVE_COMMANDS, "Properties": null }),
        }],
    };
    line.say(PayloadKind::HandshakeRequest, documents::encode(&request));
    let mut early = Early::new();
    loop {
        let held: usize = early.iter().map(|(_, payload)| payload.len() + 1).sum();
        let heard = match line.hear(|| held < EARLY_BYTES_MAX).await {
            Incoming::Heard(heard) => heard,
            Incoming::Text(_) => continue,
            Incoming::Gone => return Err(End::Gone),
        };
        let mut agreed = false;
        for heard in heard {
            match heard {
                Heard::Data(PayloadKind::HandshakeResponse, payload) => {
                    agree(&payload)?;
                    agreed = true;
                }
                Heard::Data(kind, payload) => early.push((kind, payload)),
                Heard::Closed(_) => return Err(End::Gone),
            }
        }
        if agreed {
            let complete = HandshakeComplete {
                handshake_time_to_complete: 0,
                customer_message: String::new(),
            };
            line.say(PayloadKind::HandshakeComplete, documents::encode(&complete));
            return Ok(early);
        }
    }
}

fn agree(payload: &[u8]) -> Result<(), End> {
    let told = |output: &str| Err(End::Told(output.to_owned()));
    let Some(response) = documents::decode::<HandshakeResponse>(payload) else {
        return told("The client's handshake response cannot be read.");
    };
    let actions = response.processed_client_actions.unwrap_or_default();
    match actions.iter().find(|action| action.action_type == SESSION_TYPE) {
        Some(action) if action.action_status == DONE => Ok(()),
        Some(action) => told(&action.error),
        None => told("The client does not know this type of session."),
    }
}

/// Runs the command, and speaks for it.
async fn run<S>(
    room: &Ecs,
    session: &str,
    (offer, wishes): (&Offer, &OpenDataChannel),
    line: &mut Line<S>,
    mut early: Early,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let size = match wishes.separate_output_stream {
        true => None,
        false => match size(room, line, &mut early).await {
            Ok(size) => Some(size),
            Err(end) => return end,
        },
    };
    match command::start(room, offer, size).await {
        Ok(command) => {
            let running = Running { command, exit_code: wishes.exit_code, early };
            running.speak(room, session, offer, line).await
        }
        Err(why) => End::Told(why),
    }
}

/// The size that the client tells of its terminal, where it does so at once.
async fn size<S>(room: &Ecs, line: &mut Line<S>, early: &mut Early) -> Result<TerminalSize, End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let clock = &room.doors.clock;
    let until = clock.moment().after(SIZE_MAX);
    while early.is_empty() {
        let left = until.since(clock.moment());
        match clock.timeout(left, line.hear(|| true)).await {
            Ok(Incoming::Heard(heard)) => {
                for heard in heard {
                    match heard {
                        Heard::Data(kind, payload) => early.push((kind, payload)),
                        Heard::Closed(_) => return Err(End::Gone),
                    }
                }
            }
            Ok(Incoming::Text(_)) => {}
            Ok(Incoming::Gone) => return Err(End::Gone),
            Err(_) => break,
        }
    }
    let told = early.iter().find(|(kind, _)| *kind == PayloadKind::Size);
    Ok(told.and_then(|(_, payload)| command::size_of(payload)).unwrap_or(SIZE_USUAL))
}
