//! The connection to the helper, and what has been heard over it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use haar_substrate::{ContainerState, Exit, SandboxId, SandboxStatus, Stdio};
use parking_lot::Mutex;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

use super::{Ends, lost, state_of};
use crate::cgroup::Gauge;
use crate::proto::{Answer, Carried, Described, Failure, Request, ToServer};
use crate::socket::{self, Receiver};

/// An answer with the descriptors that came along.
type Reply = Result<(Answer, Vec<OwnedFd>), Failure>;

/// One connection; lasts as long as its helper.
pub(super) struct Connection {
    socket: AsyncFd<OwnedFd>,
    up: AtomicBool,
    numbers: AtomicU64,
    pending: Mutex<BTreeMap<u64, oneshot::Sender<Reply>>>,
    known: Arc<Mutex<Known>>,
}

/// All sandboxes that this server made or adopted.
#[derive(Default)]
pub(super) struct Known {
    pub(super) sandboxes: BTreeMap<SandboxId, Entry>,
    /// Being made; with ends that were heard before the answer.
    expected: BTreeSet<SandboxId>,
    early: BTreeMap<(SandboxId, String), Exit>,
}

/// One sandbox.
pub(super) struct Entry {
    labels: BTreeMap<String, String>,
    warm: bool,
    pids: BTreeMap<String, u32>,
    /// It died with its helper: the next of this name is another.
    lost: bool,
    pub(super) cgroup: String,
    pub(super) containers: Ends,
    pub(super) listeners: BTreeMap<SocketAddrV4, TcpListener>,
    pub(super) outputs: BTreeMap<String, [OwnedFd; 2]>,
    /// Opened when it is first asked for.
    pub(super) memory_peak: Option<Arc<Gauge>>,
}

impl Entry {
    pub(super) fn status(&self, id: &SandboxId) -> SandboxStatus {
        let containers = self.containers.iter().map(|(name, end)| {
            let pid = self.pids.get(name).copied().unwrap_or_default();
            (name.clone(), state_of(pid, *end.borrow()))
        });
        SandboxStatus {
            id: id.clone(),
            labels: self.labels.clone(),
            containers: containers.collect(),
            warm: self.warm,
        }
    }
}

impl Known {
    /// Says that this sandbox is being made.
    pub(super) fn expect(&mut self, id: &SandboxId) {
        self.expected.insert(id.clone());
    }

    /// Notes what the helper tells of a sandbox. What is known already stays, but for ends.
    pub(super) fn learn(&mut self, described: Described, fds: Vec<OwnedFd>) {
        let Described { status, cgroup, carried, .. } = described;
        let SandboxStatus { id, labels, containers, warm } = status;
        self.expected.remove(&id);
        if self.sandboxes.get(&id).is_some_and(|entry| entry.lost) {
            self.sandboxes.remove(&id);
        }
        let entry = self.sandboxes.entry(id.clone()).or_insert_with(|| Entry {
            labels,
            warm,
            pids: BTreeMap::new(),
            lost: false,
            cgroup,
            containers: Ends::new(),
            listeners: BTreeMap::new(),
            outputs: BTreeMap::new(),
            memory_peak: None,
        });
        for (name, state) in containers {
            let end =
                entry.containers.entry(name.clone()).or_insert_with(|| watch::Sender::new(None));
            match state {
                ContainerState::Running { pid } => drop(entry.pids.insert(name.clone(), pid)),
                ContainerState::Exited(exit) => drop(end.send_replace(Some(exit))),
            }
            if let Some(exit) = self.early.remove(&(id.clone(), name)) {
                end.send_replace(Some(exit));
            }
        }
        let mut pairs: BTreeMap<String, Vec<(Stdio, OwnedFd)>> = BTreeMap::new();
        for (kind, fd) in carried.into_iter().zip(fds) {
            match kind {
                Carried::Listener(address) => {
                    entry.listeners.insert(address, TcpListener::from(fd));
                }
                Carried::Output { container, stream } => {
                    pairs.entry(container).or_default().push((stream, fd));
                }
            }
        }
        for (container, pair) in pairs {
            if let Ok([(Stdio::Out, out), (Stdio::Err, err)]) = <[_; 2]>::try_from(pair) {
                entry.outputs.insert(container, [out, err]);
            }
        }
    }

    fn hear_end(&mut self, id: SandboxId, container: String, exit: Exit) {
        match self.sandboxes.get(&id).and_then(|entry| entry.containers.get(&container)) {
            Some(end) => drop(end.send_replace(Some(exit))),
            None if self.expected.contains(&id) => drop(self.early.insert((id, container), exit)),
            None => {}
        }
    }

    /// The helper died, and all that ran with it.
    fn all_ended(&mut self) {
        let killed = Exit { code: None, signal: Some(libc::SIGKILL), out_of_memory: false };
        for entry in self.sandboxes.values_mut() {
            entry.lost = true;
            for end in entry.containers.values() {
                end.send_if_modified(|exit| exit.replace(exit.unwrap_or(killed)).is_none());
            }
        }
        self.expected.clear();
        self.early.clear();
    }
}

impl Connection {
    /// Begins to listen. The socket must not block.
    pub(super) fn open(socket: OwnedFd, known: &Arc<Mutex<Known>>) -> io::Result<Arc<Self>> {
        // SAFETY: an owned descriptor is open and the same as long as it is there.
        let socket = unsafe { AsyncFd::register(socket) }?;
        let connection = Arc::new(Self {
            socket,
            up: AtomicBool::new(true),
            // no other server of this helper ever used these
            numbers: AtomicU64::new((u64::from(std::process::id()) << 32) + 1),
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
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
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

    async fn send(&self, message: &(u64, Request)) -> io::Result<()> {
        loop {
            // the socket is nearly always writable: try before waiting
            match socket::send(self.socket.get_ref(), message, &[]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.writable().await?.clear_ready();
                }
                other => return other,
            }
        }
    }

    async fn listen(&self) {
        let mut receiver = Receiver::new();
        while let Ok(mut ready) = self.socket.readable().await {
            let received =
                ready.try_io(|socket| receiver.receive::<ToServer>(socket.get_ref().as_fd()));
            match received {
                Ok(Ok(Some((message, fds)))) => self.hear(message, fds),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    tracing::error!(%error, "could not receive from the helper process");
                    break;
                }
                Err(_would_block) => {}
            }
        }
        self.known.lock().all_ended();
        self.up.store(false, Ordering::SeqCst);
        self.pending.lock().clear();
    }

    fn hear(&self, message: ToServer, fds: Vec<OwnedFd>) {
        match message {
            ToServer::Exited { id, container, exit } => {
                self.known.lock().hear_end(id, container, exit);
            }
            ToServer::Answer(number, answer) => {
                let reply = match answer {
                    Ok(Answer::Sandbox(described)) => {
                        self.known.lock().learn(described, fds);
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
