//! Streams of kept output and of events.

use std::path::PathBuf;

use futures_core::stream::BoxStream;
use futures_util::stream;
use haar_substrate::{Event, Exit, LogChunk};
use haar_types::Timestamp;
use tokio::sync::{broadcast, watch};

use super::known::Length;
use crate::kept;

struct Reader {
    dir: PathBuf,
    at: u64,
    end: watch::Receiver<Option<(Exit, Timestamp)>>,
    written: watch::Receiver<Length>,
}

/// Kept output from a position on, until the container has ended.
pub(super) fn stream(
    dir: PathBuf,
    from: u64,
    end: watch::Receiver<Option<(Exit, Timestamp)>>,
    written: watch::Receiver<Length>,
) -> BoxStream<'static, LogChunk> {
    let reader = Reader { dir, at: from, end, written };
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
        let (dir, at) = (self.dir.clone(), self.at);
        let read = tokio::task::spawn_blocking(move || kept::read(&dir, at, end)).await;
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
