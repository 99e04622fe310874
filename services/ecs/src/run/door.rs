//! Connections to a task's metadata endpoint.

#![allow(clippy::disallowed_methods)] // spawns a connection; its end ends it

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use haar_kernel::ApiDoor;
use haar_substrate::SandboxId;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{http, metadata};
use crate::Ecs;
use crate::state::TaskKey;

/// Answers one task's programs.
pub(super) struct Door {
    room: Arc<Ecs>,
    key: TaskKey,
    /// What tells connections to leave, those first that came first.
    open: Mutex<VecDeque<oneshot::Sender<()>>>,
}

impl Door {
    pub(super) fn new(room: Arc<Ecs>, key: TaskKey) -> Self {
        Self { room, key, open: Mutex::default() }
    }
}

impl ApiDoor for Door {
    fn serve(&self, _: &SandboxId, stream: TcpStream) -> BoxFuture<'static, ()> {
        let (leave, leaves) = oneshot::channel();
        self.open.lock().push_back(leave);
        let (room, key) = (Arc::clone(&self.room), self.key.clone());
        let clock = room.doors.clock.clone();
        let served = tokio::spawn(http::serve(clock, stream, leaves, move |asked| {
            let (room, key) = (Arc::clone(&room), key.clone());
            async move { metadata::answer(&room, &key, &asked).await }
        }));
        Box::pin(async move {
            let _ = served.await; // it ends with its connection
        })
    }

    /// The one that came first leaves, at once where it asks for nothing.
    fn make_room(&self, _: &SandboxId) {
        let mut open = self.open.lock();
        open.retain(|one| !one.is_closed());
        if let Some(first) = open.pop_front() {
            let _ = first.send(()); // or it has just ended
        }
    }
}
