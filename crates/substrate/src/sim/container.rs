//! A container that runs nothing.

use haar_clock::{Clock, Moment};
use haar_types::Timestamp;
use tokio::sync::{mpsc, watch};

use super::Behaviour;
use crate::{
    ContainerSpec, ContainerState, ContainerStatus, End, Exit, ImageId, LogChunk, OutputChunk, Root,
};

/// One run of a container.
pub(super) struct Container {
    pub(super) attempt: u32,
    pub(super) ends_at: Option<(Moment, Exit)>,
    pub(super) end: watch::Sender<Option<Exit>>,
    pub(super) stubborn: bool,
    pub(super) paused: bool,
    image: Option<ImageId>,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Dropped when it ends, which ends the stream.
    writer: Option<mpsc::UnboundedSender<OutputChunk>>,
    pub(super) reader: Option<mpsc::UnboundedReceiver<OutputChunk>>,
    kept: Kept,
}

/// What all runs of a container have written.
#[derive(Default)]
pub(super) struct Kept {
    chunks: Vec<LogChunk>,
    /// Bytes of all chunks, and whether there can be no more for now.
    pub(super) length: watch::Sender<(u64, bool)>,
}

impl Container {
    pub(super) fn new(
        spec: &ContainerSpec,
        behaviour: &Behaviour,
        kept: Kept,
        clock: &Clock,
    ) -> Self {
        let (writer, reader) = mpsc::unbounded_channel();
        kept.length.send_modify(|length| length.1 = false);
        let image = match &spec.root {
            Root::Image(image) => Some(image.clone()),
            Root::Host { .. } => None,
        };
        let mut container = Self {
            attempt: spec.attempt,
            ends_at: None,
            end: watch::Sender::new(None),
            stubborn: matches!(behaviour, Behaviour::Stubborn),
            paused: false,
            image,
            started_at: clock.now(),
            ended_at: None,
            writer: Some(writer),
            reader: Some(reader),
            kept,
        };
        if let Behaviour::Exits { after, exit, output } = behaviour {
            container.ends_at = Some((clock.moment().after(*after), *exit));
            for chunk in output {
                container.say(chunk.clone(), clock.now());
            }
        }
        container
    }

    pub(super) fn say(&mut self, chunk: OutputChunk, at: Timestamp) {
        let Some(writer) = &self.writer else { return };
        self.kept.length.send_modify(|length| {
            length.0 += chunk.bytes.len() as u64;
            let bytes = chunk.bytes.clone();
            let kept = LogChunk { next: length.0, at, stream: chunk.stream, bytes, lost: 0 };
            self.kept.chunks.push(kept);
        });
        // nobody may be reading
        let _ = writer.send(chunk);
    }

    /// The first chunk that goes past a position.
    pub(super) fn chunk_after(&self, from: u64) -> Option<LogChunk> {
        self.kept.chunks.iter().find(|chunk| chunk.next > from).cloned()
    }

    pub(super) fn kept_length(&self) -> watch::Receiver<(u64, bool)> {
        self.kept.length.subscribe()
    }

    pub(super) fn into_kept(self) -> Kept {
        self.kept
    }

    /// True when this is its end; a second one does not count.
    pub(super) fn end(&mut self, exit: Exit, at: Timestamp) -> bool {
        let first = self.exit().is_none();
        if first {
            self.ended_at = Some(at);
            self.end.send_replace(Some(exit));
            self.kept.length.send_modify(|length| length.1 = true);
        }
        self.writer = None;
        first
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        *self.end.borrow()
    }

    /// How and when it ended.
    pub(super) fn ended(&self) -> Option<End> {
        self.exit().zip(self.ended_at).map(|(exit, at)| End { exit, at })
    }

    pub(super) fn status(&self) -> ContainerStatus {
        ContainerStatus {
            state: self.exit().map_or(ContainerState::Running { pid: 1 }, ContainerState::Exited),
            attempt: self.attempt,
            started_at: self.started_at,
            ended_at: self.ended_at,
            image: self.image.clone(),
        }
    }
}
