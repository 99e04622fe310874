//! Streams of kept output and of events.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_core::stream::BoxStream;
use futures_util::stream;
use haar_substrate::{Event, Exit, LogChunk, SandboxId};
use haar_types::Timestamp;
use tokio::sync::{broadcast, watch};

use super::known::Length;
use crate::kept::{self, Places};

struct Reader {
    places: Places,
    /// What the first of the places is found below.
    _memory: Option<Arc<OwnedFd>>,
    at: u64,
    end: watch::Receiver<Option<(Exit, Timestamp)>>,
    written: watch::Receiver<Length>,
}

/// Where a container's kept output is, and what keeps the first of it there.
pub(super) fn places(
    memory: Option<Arc<OwnedFd>>,
    state_dir: &Path,
    id: &SandboxId,
    container: &str,
) -> (Places, Option<Arc<OwnedFd>>) {
    let below = memory.as_ref().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let below = below.map_or_else(|| state_dir.join("none"), PathBuf::from);
    let head = below.join(&id.0).join(container);
    let rest = state_dir.join("logs").join(&id.0).join(container);
    (Places { head, rest }, memory)
}

/// Kept output from a position on, until the container has ended.
pub(super) fn stream(
    (places, memory): (Places, Option<Arc<OwnedFd>>),
    from: u64,
    end: watch::Receiver<Option<(Exit, Timestamp)>>,
    written: watch::Receiver<Length>,
) -> BoxStream<'static, LogChunk> {
    let reader = Reader { places, _memory: memory, at: from, end, written };
    Box::pin(stream::unfold(reader, |mut reader| async {
        let chunk = reader.next().await?;
        Some((chunk, reader))
    }))
}

impl Reader {
    async fn next(&mut self) -> Option<LogChunk> {
        loop {
            let (ended, length) = {
                let ended = self.end.borrow_and_update().is_some();
                (ended, *self.written.borrow_and_update())
            };
            if self.at < length.end {
                if let Some(chunk) = self.read(length.end).await {
                    self.at = chunk.next;
                    return Some(chunk);
                }
                self.at = length.end; // what was there is lost
            }
            if ended && !length.open {
                return None;
            }
            tokio::select! {
                changed = self.written.changed() => changed.ok()?,
                changed = self.end.changed(), if !ended => changed.ok()?,
            }
        }
    }

    async fn read(&self, end: u64) -> Option<LogChunk> {
        let at = self.at;
        let read = match kept::is_near(at) {
            true => Ok(kept::read(&self.places, at, end)),
            false => {
                let places = self.places.clone();
                tokio::task::spawn_blocking(move || kept::read(&places, at, end)).await
            }
        };
        match read {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not read kept output");
                None
            }
            Err(_) => None,
        }
    }
}

/// Events as a stream.
pub(super) fn events(events: broadcast::Receiver<Event>) -> BoxStream<'static, Event> {
    Box::pin(stream::unfold(events, |mut events| async {
        match events.recv().await {
            Ok(event) => Some((event, events)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some((Event::Missed, events)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }))
}
