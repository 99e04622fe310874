//! What happens as time goes by: ends that are due, and the streams that tell of them.

use std::sync::Arc;

use futures_core::stream::BoxStream;
use futures_util::stream;
use haar_clock::{Clock, Moment};
use haar_types::Timestamp;
use tokio::sync::broadcast;

use super::Shared;
use crate::{Event, Exit, LogChunk, SandboxId};

impl Shared {
    /// Ends a container that has not ended, and tells it.
    pub(super) fn end(&self, id: &SandboxId, container: &str, exit: Exit, at: Timestamp) {
        let mut state = self.state.lock();
        let sandbox = state.sandboxes.get_mut(id);
        let Some(found) = sandbox.and_then(|sandbox| sandbox.containers.get_mut(container)) else {
            return;
        };
        if found.end(exit, at) {
            let (id, container) = (id.clone(), container.to_owned());
            let attempt = found.attempt;
            // nobody may be watching
            let _ = self.events.send(Event::Exited { id, container, attempt, exit, at });
        }
    }

    /// Ends all that is due.
    pub(super) fn catch_up(&self, clock: &Clock) {
        let now = clock.moment();
        for (id, container, exit) in self.due(|at| at <= now) {
            self.end(&id, &container, exit, clock.now());
        }
    }

    fn due(&self, when: impl Fn(Moment) -> bool) -> Vec<(SandboxId, String, Exit)> {
        let state = self.state.lock();
        let mut due = Vec::new();
        for (id, sandbox) in &state.sandboxes {
            for (name, container) in &sandbox.containers {
                match (container.ends_at, container.exit()) {
                    (Some((at, exit)), None) if when(at) => {
                        due.push((id.clone(), name.clone(), exit));
                    }
                    _ => {}
                }
            }
        }
        due
    }

    fn next_end(&self) -> Option<Moment> {
        let state = self.state.lock();
        let containers = state.sandboxes.values().flat_map(|sandbox| sandbox.containers.values());
        let running = containers.filter(|container| container.exit().is_none());
        running.filter_map(|container| container.ends_at.map(|(at, _)| at)).min()
    }
}

/// All events from now on.
pub(super) fn events(shared: &Arc<Shared>, clock: &Clock) -> BoxStream<'static, Event> {
    let start = (shared.clone(), clock.clone(), shared.events.subscribe());
    Box::pin(stream::unfold(start, |(shared, clock, mut events)| async {
        let event = next_event(&shared, &clock, &mut events).await?;
        Some((event, (shared, clock, events)))
    }))
}

async fn next_event(
    shared: &Shared,
    clock: &Clock,
    events: &mut broadcast::Receiver<Event>,
) -> Option<Event> {
    loop {
        let started = shared.started.notified();
        let next = shared.next_end();
        let due = async {
            match next {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            event = events.recv() => return match event {
                Ok(event) => Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(Event::Missed),
                Err(broadcast::error::RecvError::Closed) => None,
            },
            () = due => shared.catch_up(clock),
            () = started => {}
        }
    }
}

/// What a container has written from a position on, and writes until it ends.
pub(super) fn logs(
    shared: &Arc<Shared>,
    clock: &Clock,
    container: (SandboxId, String),
    from: u64,
) -> BoxStream<'static, LogChunk> {
    let start = (shared.clone(), clock.clone(), container, from);
    Box::pin(stream::unfold(start, |(shared, clock, container, from)| async move {
        let chunk = next_chunk(&shared, &clock, &container, from).await?;
        let next = chunk.next;
        Some((chunk, (shared, clock, container, next)))
    }))
}

async fn next_chunk(
    shared: &Shared,
    clock: &Clock,
    (id, name): &(SandboxId, String),
    from: u64,
) -> Option<LogChunk> {
    loop {
        let (mut length, ends_at) = {
            let state = shared.state.lock();
            let container = state.sandboxes.get(id)?.containers.get(name)?;
            if let Some(mut chunk) = container.chunk_after(from) {
                // a position in the middle of a chunk: what was read of it is left out
                let known = chunk.bytes.len().saturating_sub((chunk.next - from) as usize);
                let _ = chunk.bytes.split_to(known);
                return Some(chunk);
            }
            if container.exit().is_some() {
                return None;
            }
            (container.kept_length(), container.ends_at.map(|(at, _)| at))
        };
        let changed = length.wait_for(|(length, ended)| *length > from || *ended);
        match ends_at {
            // whoever holds the other end is gone: so is the container
            None => drop(changed.await.ok()?),
            Some(at) => tokio::select! {
                changed = changed => drop(changed.ok()?),
                () = clock.sleep_until(at) => shared.catch_up(clock),
            },
        }
    }
}
