//! Shows arriving events to live tails.

use std::sync::Arc;

use haar_types::Timestamp;
use tokio::sync::broadcast;

use crate::state::StreamKey;

/// Batches that a slow listener may lag behind before it loses the oldest.
const BATCH_COUNT_MAX: usize = 4096;

/// Events of one stream that have just come in.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) stream: StreamKey,
    pub(crate) ingested_at: Timestamp,
    pub(crate) events: Vec<(Timestamp, String)>,
}

/// All that arrives, for who listens.
pub(crate) struct Tail(broadcast::Sender<Arc<Arrived>>);

impl Default for Tail {
    fn default() -> Self {
        Self(broadcast::Sender::new(BATCH_COUNT_MAX))
    }
}

impl Tail {
    /// Shows a batch, which is made only where somebody listens.
    pub(crate) fn show(&self, batch: impl FnOnce() -> Arrived) {
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(Arc::new(batch())); // the last listener may have just left
        }
    }

    /// Listens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Arrived>> {
        self.0.subscribe()
    }
}
