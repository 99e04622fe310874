//! The connection to the helper, and what has been heard over it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use haar_clock::Clock;
use haar_substrate::{Event, SandboxId};
use parking_lot::Mutex;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::known::Known;
use super::lost;
use crate::proto::{Answer, Described, Failure, Request, Scarce, ToServer};
use crate::socket::{self, Received, Receiver};

/// An answer with the descriptors that came along.
type Reply = Result<(Answer, Vec<OwnedFd>), Failure>;

/// The next request's number, whichever connection it takes.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// One connection; lasts as long as its helper.
pub(super) struct Connection {
    socket: AsyncFd<OwnedFd>,
    up: AtomicBool,
    pending: Mutex<BTreeMap<u64, oneshot::Sender<Reply>>>,
    known: Arc<Mutex<Known>>,
}

impl Connection {
    /// Begins to listen. The socket must not block.
    pub(super) fn open(socket: OwnedFd, known: &Arc<Mutex<Known>>) -> io::Result<Arc<Self>> {
        // SAFETY: an owned descriptor is open and the same as long as it is there.
        let socket = unsafe { AsyncFd::register(socket) }?;
        let connection = Arc::new(Self {
            socket,
            up: AtomicBool::new(true),
            pending: Mutex::default(),
            known: known.clone(),
        });
        let listening = connection.clone();
        // ends with the socket; nothing else could be waiting for what nobody asked for
        tokio::spawn(async move { listening.listen().await });
        Ok(connection)
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, request: Request) -> Reply {
        let number = self.mint();
        let (sender, receiver) = oneshot::channel();
        self.pending.lock().insert(number, sender);
        if let Err(error) = self.send(&(number, request)).await {
            self.pending.lock().remove(&number);
            return Err(Failure::Failed(error.to_string()));
        }
        if !self.is_up() {
            self.pending.lock().remove(&number);
        }
        receiver.await.unwrap_or_else(|_| Err(lost()))
    }

    /// A number that no request of this or another server has.
    pub(super) fn mint(&self) -> u64 {
        // no other server of this helper ever used these, nor another connection of this one
        (u64::from(std::process::id()) << 32) + NUMBERS.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks without waiting for an answer; where there is no room for it, it is not asked.
    pub(super) fn tell(&self, request: Request) {
        if let Err(error) = socket::send(self.socket.get_ref(), 0, &(self.mint(), request), &[]) {
            tracing::debug!(%error, "could not tell the helper");
        }
    }

    async fn send(&self, message: &(u64, Request)) -> io::Result<()> {
        loop {
            // the socket is nearly always writable: try before waiting
            match socket::send(self.socket.get_ref(), message.0, message, &[]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.writable().await?.clear_ready();
                }
                other => return other,
            }
        }
    }

    async fn listen(self: &Arc<Self>) {
        let mut receiver = Receiver::new();
        while let Ok(mut ready) = self.socket.readable().await {
            let received =
                ready.try_io(|socket| receiver.receive::<ToServer>(socket.get_ref().as_fd()));
            match received {
                Ok(Ok(Some(received))) => self.receive(received),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    tracing::error!(%error, "could not receive from the helper process");
                    break;
                }
                Err(_would_block) => {}
            }
        }
        // first of all: whoever hears of an end may ask again at once
        self.up.store(false, Ordering::SeqCst);
        // a helper that lives must not take this for its server any more
        self.close();
        self.known.lock().all_ended(Clock::system().now());
        self.pending.lock().clear();
    }

    /// Says that this is nobody's server any more.
    pub(super) fn close(&self) {
        let both = rustix::net::Shutdown::Both;
        let _ = rustix::net::shutdown(self.socket.get_ref(), both); // it may be closed already
    }

    /// A message whose descriptors did not all arrive fails whoever waits for it, and nobody else.
    fn receive(self: &Arc<Self>, received: Received<ToServer>) {
        let Received { about, message, fds, is_cut } = received;
        let described = match message {
            Some(message) if !is_cut => return self.hear(message, fds),
            Some(ToServer::Answer(_, Ok(Answer::Sandbox(described)))) => Some(described),
            Some(_) | None => None,
        };
        tracing::error!("no descriptor was left for what the helper process sent");
        let useless = described.and_then(|described| self.cut(*described));
        let connection = self.clone();
        let fail = async move {
            if let Some(id) = useless {
                let _ = connection.ask(Request::Remove { id, grace: Duration::ZERO }).await;
            }
            let failure = Failure::Exhausted(Scarce::Processes);
            connection.hear(ToServer::Answer(about, Err(failure)), Vec::new());
        };
        // not here: what it waits for is received here
        tokio::spawn(fail);
    }

    /// A sandbox goes on without what is new of it; one that is new itself is of no use without.
    fn cut(&self, described: Described) -> Option<SandboxId> {
        let mut known = self.known.lock();
        if known.has(&described.status.id) {
            known.learn(described, Vec::new());
            return None;
        }
        Some(described.status.id)
    }

    fn hear(&self, message: ToServer, fds: Vec<OwnedFd>) {
        match message {
            ToServer::Exited(ended) => self.known.lock().hear_end(ended),
            ToServer::Written(written) => self.known.lock().hear_written(written),
            ToServer::SessionEnded { session, exit } => {
                self.known.lock().session_ended(session, exit);
            }
            ToServer::OutOfMemory { id, container } => {
                // nobody may be watching
                let _ = self.known.lock().events.send(Event::OutOfMemory { id, container });
            }
            ToServer::Answer(number, answer) => {
                let reply = match answer {
                    Ok(Answer::Sandbox(described)) => {
                        self.known.lock().learn(*described, fds);
                        Ok((Answer::Done, Vec::new()))
                    }
                    Ok(answer) => Ok((answer, fds)),
                    Err(failure) => Err(failure),
                };
                if let Some(sender) = self.pending.lock().remove(&number) {
                    let _ = sender.send(reply);
                } else if let Err(Failure::Busy) = reply {
                    self.up.store(false, Ordering::SeqCst);
                    self.pending.lock().clear();
                }
            }
        }
    }
}
