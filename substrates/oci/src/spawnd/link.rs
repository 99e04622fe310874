//! The connection to the server, when there is one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::log;
use crate::proto::{Answer, Failure, ToServer};
use crate::socket;

/// The connection to the server, when there is one.
#[derive(Default)]
pub(super) struct Link {
    socket: Mutex<Option<Arc<OwnedFd>>>,
    /// How many servers have gone.
    losses: AtomicU64,
    connected: Condvar,
}

impl Link {
    /// Takes a server; false when there is one.
    pub(super) fn connect(&self, socket: OwnedFd) -> bool {
        let mut current = self.socket.lock();
        if current.is_some() {
            return false;
        }
        *current = Some(Arc::new(socket));
        self.connected.notify_all();
        true
    }

    /// Waits for a server; answers with how many had gone before it.
    pub(super) fn wait(&self) -> (Arc<OwnedFd>, u64) {
        let mut current = self.socket.lock();
        loop {
            match &*current {
                Some(socket) => return (socket.clone(), self.losses()),
                None => self.connected.wait(&mut current),
            }
        }
    }

    /// Forgets a server that has closed; true for the first to notice.
    pub(super) fn lost(&self, socket: &Arc<OwnedFd>) -> bool {
        let mut current = self.socket.lock();
        let ours = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, socket));
        if ours {
            *current = None;
            self.losses.fetch_add(1, Ordering::SeqCst);
        }
        ours
    }

    /// Sends a server away that cannot be understood; who receives hears that it has gone.
    pub(super) fn close(&self) {
        if let Some(socket) = &*self.socket.lock() {
            let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
        }
    }

    /// How many servers have gone.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    /// There is no server.
    pub(super) fn is_down(&self) -> bool {
        self.socket.lock().is_none()
    }

    /// Answers a request; a server that is gone needs none.
    pub(super) fn answer(
        &self,
        request: u64,
        answer: Result<Answer, Failure>,
        fds: &[BorrowedFd<'_>],
    ) {
        if let Err(error) = self.send(&ToServer::Answer(request, answer), fds) {
            // whoever asked must not wait for ever; a server that is gone does not
            log(&format!("could not answer: {error}"));
            let failure = Failure::of("answer", &error);
            let _ = self.send(&ToServer::Answer(request, Err(failure)), &[]);
        }
    }

    /// Tells the server something.
    pub(super) fn tell(&self, message: &ToServer) {
        // a server that is gone will not miss it
        let _ = self.send(message, &[]);
    }

    fn send(&self, message: &ToServer, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let socket = self.socket.lock().clone();
        let about = match message {
            ToServer::Answer(request, _) => *request,
            _ => 0,
        };
        match socket {
            Some(socket) => match socket::send(socket.as_fd(), about, message, fds) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                other => other,
            },
            None => Ok(()),
        }
    }
}
