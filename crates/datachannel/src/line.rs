//! A channel on its WebSocket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use haar_clock::{Clock, IdSource};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message as Frame, WebSocketConfig};

use crate::{Channel, Heard, PayloadKind, Role};

/// Most bytes of a message that is taken. AWS's ends send little more than 1 KiB.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Messages that wait to be written; with more, nothing is read that might ask for an answer.
const WAITING_MAX: usize = 1024;
/// How long the other end may take to hear the last words, and then to hang up.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// One end of a channel, with the socket that it is on. `S` is what the WebSocket goes over.
pub struct Line<S> {
    socket: WebSocketStream<S>,
    channel: Channel,
    clock: Clock,
    waiting: VecDeque<Frame>,
}

/// What came over a line.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// A text beside all order: the first words of a client.
    Text(String),
    /// What a message meant, perhaps nothing; there may be room again now.
    Heard(Vec<Heard>),
    /// The other end has hung up.
    Gone,
}

/// How a socket of these lines is to be set up.
pub fn socket_config() -> WebSocketConfig {
    let bound = Some(MESSAGE_BYTES_MAX);
    WebSocketConfig::default().max_message_size(bound).max_frame_size(bound)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// A line on a socket that is open.
    pub fn new(socket: WebSocketStream<S>, role: Role, clock: Clock, ids: IdSource) -> Self {
        let channel = Channel::new(role, clock.clone(), ids);
        Self { socket, channel, clock, waiting: VecDeque::new() }
    }

    /// True when more may be said; until then, [`Self::hear`] is to be called.
    pub fn has_room(&self) -> bool {
        self.channel.has_room()
    }

    /// Says a text beside all order. It goes out while [`Self::hear`] is awaited.
    pub fn say_text(&mut self, text: String) {
        self.waiting.push_back(Frame::text(text));
    }

    /// Tells that this end listens. It goes out while [`Self::hear`] is awaited.
    pub fn start(&mut self) {
        self.waiting.push_back(Frame::binary(self.channel.start()));
    }

    /// Says stream data. It goes out while [`Self::hear`] is awaited.
    pub fn say(&mut self, kind: PayloadKind, payload: Bytes) {
        let message = self.channel.send(kind, payload);
        self.waiting.push_back(Frame::binary(message));
    }

    /// Sends what is to be sent, and waits for what comes. Stream data that comes while it is not
    /// `wanted` comes again later. May be dropped while it waits: nothing is lost.
    pub async fn hear(&mut self, wanted: impl Fn() -> bool) -> Incoming {
        loop {
            if let Some(again) = self.channel.resend() {
                self.waiting.push_back(Frame::binary(again));
            }
            let (due, clock) = (self.channel.due_at(), self.clock.clone());
            let frame = tokio::select! {
                frame = poll_fn(|cx| self.poll_frame(cx)) => frame,
                () = async { match due {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                } } => continue,
            };
            match frame {
                None | Some(Frame::Close(_)) => return Incoming::Gone,
                Some(Frame::Text(text)) => return Incoming::Text(text.as_str().to_owned()),
                Some(Frame::Binary(bytes)) => match self.channel.hear(&bytes, wanted()) {
                    Ok((heard, answer)) => {
                        self.waiting.extend(answer.map(Frame::binary));
                        return Incoming::Heard(heard);
                    }
                    Err(error) => tracing::debug!(%error, "a message on a data channel is let go"),
                },
                Some(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_)) => {}
            }
        }
    }

    /// Waits until the other end has heard all, or has had time enough for that.
    pub async fn settle(&mut self, limit: Duration) {
        let clock = self.clock.clone();
        let settled = async {
            while !self.channel.is_settled() && self.hear(|| false).await != Incoming::Gone {}
        };
        // who does not hear it has had its time
        let _ = clock.timeout(limit, settled).await;
    }

    /// Says that there is no more, and why where that is to be told, and hangs up.
    pub async fn close(mut self, session: &str, target: &str, output: &str) {
        let last = self.channel.close(session, target, output);
        self.waiting.push_back(Frame::binary(last));
        self.hang_up().await;
    }

    /// Hangs up.
    pub async fn hang_up(mut self) {
        self.waiting.push_back(Frame::Close(None));
        let clock = self.clock.clone();
        // what is still on its way is read, so that nothing cuts off the last words
        let rest = async { while poll_fn(|cx| self.poll_frame(cx)).await.is_some() {} };
        let _ = clock.timeout(GOODBYE_MAX, rest).await;
    }

    /// Writes what can be written, and reads a frame; none when the socket is at its end.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            tracing::debug!(%error, "a data channel broke");
            return Poll::Ready(None);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Poll::Pending; // until some of it is written
        }
        Poll::Ready(ready!(self.socket.poll_next_unpin(cx)).and_then(Result::ok))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), tokio_tungstenite::tungstenite::Error>> {
        while !self.waiting.is_empty() {
            ready!(self.socket.poll_ready_unpin(cx))?;
            if let Some(frame) = self.waiting.pop_front() {
                self.socket.start_send_unpin(frame)?;
            }
        }
        self.socket.poll_flush_unpin(cx)
    }
}
