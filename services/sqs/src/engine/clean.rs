//! Removing many messages: a queue's lock is never held over more than a few of them.
//!
//! A purge takes the index out of the queue and leaves a mark on disk; a queue that was deleted is
//! known by its missing row. Either way [`Engine::clean`] removes what is left on disk, also
//! after a restart.

use std::sync::Arc;
use std::time::Duration;

use haar_kv::{Batch, KvError};
use haar_types::Timestamp;

use super::Engine;
use super::index::Index;
use super::queue::Queue;

/// Messages that are removed or delayed at a time.
const CHUNK: usize = 512;

/// What nobody uses any more. To free it takes long, too.
#[derive(Default)]
pub(super) struct Trash {
    indexes: Vec<Index>,
    queues: Vec<Arc<Queue>>,
}

impl Engine {
    /// Removes messages that were sent by then.
    pub(crate) async fn expire(&self, queue: &Queue, sent_by: Timestamp) -> Result<(), KvError> {
        while self.expire_some(queue, sent_by)? == CHUNK {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn expire_some(&self, queue: &Queue, sent_by: Timestamp) -> Result<usize, KvError> {
        let mut core = queue.lock(&self.store, self.clock.now())?;
        let old = core.index.sent_by(sent_by, CHUNK);
        let mut batch = Batch::new();
        for sequence in &old {
            self.store.remove(&mut batch, queue.id, *sequence);
        }
        self.store.apply(batch)?;
        for sequence in &old {
            core.index.remove(*sequence);
        }
        Ok(old.len())
    }

    /// Removes all messages that there are. Not on disk until [`Self::sync`].
    pub(crate) fn purge(&self, queue: &Queue) -> Result<(), KvError> {
        let now = self.clock.now();
        let mut core = queue.lock(&self.store, now)?;
        let last = self.next_sequence(now);
        self.store.mark_purged(queue.id, last)?;
        core.purged_to = last;
        core.attempts.clear();
        let index = std::mem::replace(&mut core.index, Index::new(queue.is_fifo));
        drop(core);
        self.trash.lock().indexes.push(index);
        self.soiled.notify_one();
        Ok(())
    }

    /// Forgets a queue whose row is gone.
    pub(crate) fn remove_queue(&self, id: u64) {
        let removed = self.queues.write().remove(&id);
        if let Some(queue) = removed {
            queue.close();
            self.trash.lock().queues.push(queue);
        }
        self.soiled.notify_one();
    }

    /// Removes from disk what was purged, and what is left of queues that are not there any longer.
    pub(crate) async fn clean(&self, is_there: impl Fn(u64) -> bool) -> Result<(), KvError> {
        let trash = std::mem::take(&mut *self.trash.lock());
        let store = self.store.clone();
        let look = move || {
            drop(trash);
            Ok((store.queues()?, store.purges()?))
        };
        let (queues, purges) = self.store.aside(look).await?;
        for queue in queues {
            // asked after the list was made: a queue has a row before it has messages
            if !is_there(queue) {
                self.store.clear(queue).await?;
            }
        }
        for (queue, last) in purges {
            self.store.clear_purged(queue, last).await?;
        }
        Ok(())
    }

    /// Delays what waits and was never received anew: a FIFO queue's delay has changed.
    pub(crate) async fn delay_anew(&self, queue: &Queue, delay: Duration) -> Result<(), KvError> {
        let delayed = queue.lock(&self.store, self.clock.now())?.index.delayed();
        for chunk in delayed.chunks(CHUNK) {
            self.delay_some(queue, delay, chunk)?;
            tokio::task::yield_now().await;
        }
        queue.arrived.notify_one();
        Ok(())
    }

    fn delay_some(&self, queue: &Queue, delay: Duration, some: &[u64]) -> Result<(), KvError> {
        let now = self.clock.now();
        let mut core = queue.lock(&self.store, now)?;
        core.index.promote(now);
        let mut batch = Batch::new();
        for sequence in some.iter().copied() {
            if !core.index.is_delayed(sequence) {
                continue; // due, or gone, meanwhile
            }
            let Some(sent_at) = core.index.get(sequence).map(|record| record.sent_at) else {
                continue;
            };
            if let Some(record) = core.index.reschedule(sequence, sent_at + delay, now) {
                self.store.update(&mut batch, queue.id, sequence, &record);
            }
        }
        self.store.apply(batch)
    }
}
