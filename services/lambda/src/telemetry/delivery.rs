//! The loop that brings one subscriber its events.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use haar_substrate::SubstrateError;
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::Place;
use super::buffer::{Buffer, Dropped, Due};
use super::event::Event;
use super::subscription::{Destination, Subscription};

/// How long a listener may take for one batch while its environment runs. *Ours*.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// First and longest wait before a batch is tried again. *Ours*: AWS says "with backoff".
const AGAIN_FIRST: Duration = Duration::from_millis(20);
const AGAIN_LONGEST: Duration = Duration::from_secs(2);

/// Longest answer that is read from a listener.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// AWS docs: *Lambda Telemetry API `Event` schema reference > platform.logsDropped*.
const FALLEN_BEHIND: &str =
    "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.";

/// One extension that wants telemetry.
pub(super) struct Subscriber {
    pub(super) extension: String,
    pub(super) subscription: Subscription,
    queue: Arc<Queue>,
    place: Place,
    task: AbortHandle,
}

/// What the loop and the tellers share.
struct Queue {
    buffer: Mutex<Buffer>,
    changed: Notify,
}

impl Subscriber {
    /// Starts the loop.
    #[allow(clippy::disallowed_methods)] // the subscriber's own loop
    pub(super) fn start(
        extension: &str,
        subscription: Subscription,
        place: Place,
        frozen: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let buffer = Mutex::new(Buffer::new(subscription.buffering));
        let queue = Arc::new(Queue { buffer, changed: Notify::new() });
        let delivery = Delivery {
            queue: Arc::clone(&queue),
            subscription: subscription.clone(),
            place: place.clone(),
            frozen,
            tcp: None,
        };
        let task = tokio::spawn(delivery.run()).abort_handle();
        let extension = extension.to_owned();
        Arc::new(Self { extension, subscription, queue, place, task })
    }

    /// Takes an event, if it is one that was asked for.
    pub(super) fn take(&self, event: &Event, json_lines: bool) {
        if !self.subscription.kinds.contains(&event.kind()) {
            return;
        }
        let now = self.place.clock.moment();
        for document in event.documents(self.subscription.schema, json_lines) {
            self.queue.buffer.lock().push(document, now);
        }
        self.queue.changed.notify_one();
    }

    /// Waits until all that was taken is delivered.
    pub(super) async fn flush(&self) {
        let done = self.queue.buffer.lock().flush();
        self.queue.changed.notify_one();
        let _ = done.await; // the loop may have been stopped
    }

    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

struct Delivery {
    queue: Arc<Queue>,
    subscription: Subscription,
    place: Place,
    frozen: watch::Receiver<bool>,
    /// Kept between batches.
    tcp: Option<TcpStream>,
}

impl Delivery {
    async fn run(mut self) {
        loop {
            let (batch, dropped) = self.next_batch().await;
            let body = self.body(batch, dropped);
            let mut wait = AGAIN_FIRST;
            while let Err(error) = self.send(&body).await {
                tracing::debug!(sandbox = %self.place.sandbox, %error, "telemetry was not taken");
                self.place.clock.sleep(self.wait(wait)).await;
                wait = (wait * 2).min(AGAIN_LONGEST);
            }
        }
    }

    /// Waits less while the environment's end waits for us.
    fn wait(&self, wait: Duration) -> Duration {
        if self.queue.buffer.lock().is_flushing() { AGAIN_FIRST } else { wait }
    }

    async fn next_batch(&self) -> (Vec<String>, Dropped) {
        let clock = &self.place.clock;
        loop {
            let due = {
                let mut buffer = self.queue.buffer.lock();
                let now = clock.moment();
                match buffer.due(now) {
                    Due::Now => return buffer.take(now),
                    Due::Never => {
                        buffer.all_sent();
                        Due::Never
                    }
                    later => later,
                }
            };
            match due {
                Due::At(moment) => tokio::select! {
                    () = clock.sleep_until(moment) => {}
                    () = self.queue.changed.notified() => {}
                },
                _ => self.queue.changed.notified().await,
            }
        }
    }

    /// A JSON array, or a line for each event.
    fn body(&self, mut batch: Vec<String>, dropped: Dropped) -> Vec<u8> {
        if dropped.records > 0 {
            let record = json!({
                "reason": FALLEN_BEHIND,
                "droppedRecords": dropped.records,
                "droppedBytes": dropped.bytes,
            });
            let event = Event { at: self.place.clock.now(), name: "platform.logsDropped", record };
            batch.extend(event.documents(self.subscription.schema, false));
        }
        match self.subscription.destination {
            Destination::Http { .. } => format!("[{}]", batch.join(",")).into_bytes(),
            Destination::Tcp { .. } => (batch.join("\n") + "\n").into_bytes(),
        }
    }

    /// Delivers one batch. Time in which the environment stands still does not count.
    async fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let mut frozen = self.frozen.clone();
        let _ = frozen.wait_for(|frozen| !frozen).await; // its sender outlives this loop
        let clock = self.place.clock.clone();
        let mut attempt = std::pin::pin!(self.attempt(body));
        loop {
            match clock.timeout(ANSWER_MAX, &mut attempt).await {
                Ok(sent) => return sent,
                Err(_) if *frozen.borrow() || frozen.has_changed().unwrap_or(false) => {
                    frozen.mark_unchanged();
                }
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    async fn attempt(&mut self, body: &[u8]) -> io::Result<()> {
        match self.subscription.destination.clone() {
            Destination::Http { method, host, port, path } => {
                let mut stream = self.dial(port).await?;
                let head = format!(
                    "{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(body).await?;
                accepted(&mut stream).await
            }
            Destination::Tcp { port } => {
                let mut stream = match self.tcp.take() {
                    Some(stream) => stream,
                    None => self.dial(port).await?,
                };
                stream.write_all(body).await?;
                self.tcp = Some(stream); // one that failed is not used again
                Ok(())
            }
        }
    }

    async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let substrate = &self.place.substrate;
        let dialled = substrate.dial(&self.place.sandbox, address, ANSWER_MAX).await;
        let stream = dialled.map_err(|error: SubstrateError| io::Error::other(error))?;
        TcpStream::from_std(stream)
    }
}

/// Reads an answer: taken with 2xx, else to be sent again.
async fn accepted(stream: &mut TcpStream) -> io::Result<()> {
    let mut answer = Vec::new();
    let mut limited = stream.take(ANSWER_BYTES_MAX);
    while !is_whole(&answer) && limited.read_buf(&mut answer).await? > 0 {}
    let status = answer.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match status.first() {
        Some(b'2') => Ok(()),
        _ => Err(io::Error::other(format!("answered {:?}", String::from_utf8_lossy(status)))),
    }
}

/// True when an answer and the body that it announces are there; others end with the connection.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_body() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 2"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        assert!(!is_whole(b"HTTP/1.0 200 OK\r\n\r\nok"), "it ends with the connection");
    }
}
