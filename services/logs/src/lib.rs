//! Amazon CloudWatch Logs: log groups, log streams, and the events in them.
//!
//! Groups and streams are rows of the ledger, events are records in kv. Lines from other
//! rooms come in through the [`LogSink`], buffered; readers write what is buffered first, so
//! they miss nothing.
//!
//! **Invariant:** events are found by the ids of their group's and stream's incarnation, so a
//! new group of an old name starts empty, however far the sweeper has come.
//!
//! Begin with `reading` for how pages of events are found, and `rules::filter_pattern`.

mod access;
pub mod controllers;
mod events;
mod fault;
mod lanes;
mod lookup;
mod ops;
mod reading;
mod refusal;
mod render;
mod rules;
mod sink;
mod state;
mod tail;
mod target;

use std::future::Future;
use std::sync::Arc;

use haar_kernel::{Doors, Lanes};
use haar_kv::KvError;
use haar_ledger::Tables;
use haar_logs_contract::peek::LogSink;

use controllers::Sweeper;
use events::EventStore;
use sink::Sink;

/// The room. Cheap parts are shared; there is one per haar.
pub struct Logs {
    doors: Doors,
    sink: Arc<Sink>,
}

impl Logs {
    /// The room's tables, to be known to the ledger before it opens.
    pub fn tables(tables: Tables) -> Tables {
        state::tables(tables)
    }

    /// Opens the room and offers its [`LogSink`] to the others.
    ///
    /// # Errors
    /// When kv does not open the events.
    pub fn open(doors: &Doors) -> Result<Arc<Self>, KvError> {
        let events = EventStore::open(&doors.kv)?;
        let (clock, ids) = (doors.clock.clone(), doors.ids.clone());
        let sink = Arc::new(Sink::new(clock, ids, doors.ledger.clone(), events));
        doors.peeks.offer::<dyn LogSink>(Arc::clone(&sink) as Arc<dyn LogSink>);
        doors.targets.offer("logs", Arc::new(target::Groups(Arc::clone(&sink))));
        Ok(Arc::new(Self { doors: doors.clone(), sink }))
    }

    /// Every operation in its lane.
    pub fn lanes(lanes: &mut Lanes<Self>) {
        lanes::lanes(lanes);
    }

    /// The controller that removes expired and orphaned events.
    pub fn sweeper(&self) -> Arc<Sweeper> {
        Arc::new(Sweeper(Arc::clone(&self.sink)))
    }

    /// Writes lines of other rooms as they come; never ends. The wiring spawns it.
    pub fn run(&self) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.sink).run()
    }

    /// Writes lines that still wait in memory; to be called before haar ends.
    pub async fn flush(&self) {
        if let Err(error) = self.sink.flush().await {
            tracing::error!(%error, "could not write log lines");
        }
    }

    /// Drops lines that still wait in memory; to be called before a reset.
    pub fn forget_pending(&self) {
        self.sink.forget_pending();
    }
}
