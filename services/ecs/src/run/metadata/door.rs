//! Connections to a task's metadata endpoint.

#![allow(clippy::disallowed_methods)] // spawns a connection; its end ends it

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use haar_kernel::{ApiDoor, INSIDE_MAX};
use haar_substrate::SandboxId;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::super::http;
use crate::Ecs;
use crate::state::TaskKey;

/// Answers one task's programs.
pub(in crate::run) struct Door {
    room: Arc<Ecs>,
    key: TaskKey,
    /// Those first that came first.
    open: Mutex<VecDeque<Open>>,
}

/// A connection.
struct Open {
    /// Tells it to leave.
    leave: oneshot::Sender<()>,
    /// It answers.
    is_at_work: Arc<AtomicBool>,
}

impl Door {
    pub(in crate::run) fn new(room: Arc<Ecs>, key: TaskKey) -> Self {
        Self { room, key, open: Mutex::default() }
    }
}

impl ApiDoor for Door {
    fn serve(&self, _: &SandboxId, stream: TcpStream) -> BoxFuture<'static, ()> {
        let (leave, leaves) = oneshot::channel();
        let is_at_work = Arc::<AtomicBool>::default();
        let mut open = self.open.lock();
        if open.len() >= INSIDE_MAX {
            open.retain(|one| !one.leave.is_closed());
        }
        open.push_back(Open { leave, is_at_work: Arc::clone(&is_at_work) });
        drop(open);
        let (room, key) = (Arc::clone(&self.room), self.key.clone());
        let clock = room.doors.clock.clone();
        let served = tokio::spawn(http::serve(clock, stream, leaves, move |asked| {
            let (room, key, is_at_work) = (Arc::clone(&room), key.clone(), is_at_work.clone());
            async move {
                is_at_work.store(true, Ordering::Relaxed);
                let answer = super::answer(&room, &key, &asked).await;
                is_at_work.store(false, Ordering::Relaxed);
                answer
            }
        }));
        Box::pin(async move {
            let _ = served.await; // it ends with its connection
        })
    }

    /// Of those that are idle the one that came first leaves.
    fn make_room(&self, _: &SandboxId) {
        let mut open = self.open.lock();
        open.retain(|one| !one.leave.is_closed());
        let idle = open.iter().position(|one| !one.is_at_work.load(Ordering::Relaxed));
        if let Some(first) = idle.and_then(|at| open.remove(at)) {
            let _ = first.leave.send(()); // or it has just ended
        }
    }
}
