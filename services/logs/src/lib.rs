//! Amazon CloudWatch Logs: log groups, log streams, and the events in them.
//!
//! Groups and streams are rows of the ledger, events are records in kv. Lines from other
//! rooms come in through the [`LogSink`], buffered; readers write what is buffered first, so
//! they miss nothing.
//!
//! What filters of a group match goes on from where events are written: values into CloudWatch's
//! sink (`filtering`), events to functions and streams by a courier (`subscription`).
//!
//! **Invariant:** events are found by the ids of their group's and stream's incarnation, so a
//! new group of an old name starts empty, however far the sweeper has come.
//!
//! Begin with `reading` for how pages of events are found, and `rules::filter_pattern`.

mod access;
pub mod controllers;
mod events;
mod fault;
mod filtering;
mod lanes;
mod lookup;
mod ops;
mod reading;
mod refusal;
mod render;
mod rules;
mod sink;
mod state;
mod subscription;
mod tail;
mod target;

use std::future::Future;
use std::sync::Arc;

use haar_courier::{Courier, CourierError, CourierSettings, Porter};
use haar_kernel::{Doors, Lanes};
use haar_kv::KvError;
use haar_ledger::Tables;
use haar_logs_contract::peek::LogSink;

use controllers::Sweeper;
use events::EventStore;
use sink::Sink;
use subscription::Subscribed;

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
        let sink = Arc::new(Sink::new(doors, events));
        doors.peeks.offer::<dyn LogSink>(Arc::clone(&sink) as Arc<dyn LogSink>);
        doors.targets.offer("logs", Arc::new(target::Groups(Arc::clone(&sink))));
        Ok(Arc::new(Self { doors: doors.clone(), sink }))
    }

    /// Begins to carry what subscription filters pass on, also what was left. Once all targets
    /// are offered.
    ///
    /// # Errors
    /// When what was left cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<(), CourierError> {
        let porter = Porter::<Subscribed>::of(self);
        let (kv, clock) = (&self.doors.kv, self.doors.clock.clone());
        let settings = CourierSettings::default();
        let courier = Courier::open(kv, clock, "logs.subscribed", porter, settings)?;
        let _ = self.sink.courier.set(courier); // a second start keeps the first courier
        Ok(())
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

    /// Drops what still waits in memory; to be called before a reset.
    ///
    /// # Errors
    /// When what waits to be carried cannot be removed.
    pub fn reset(&self) -> Result<(), KvError> {
        self.sink.forget_pending();
        self.sink.courier.get().map_or(Ok(()), Courier::clear)
    }
}
