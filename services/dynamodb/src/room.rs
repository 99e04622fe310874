//! The room: its doors, its items, its loops.

use std::sync::Arc;

use haar_dynamodb_contract::peek::StreamPeek;
use haar_kernel::{Call, Doors};
use haar_kv::KvError;
use haar_ledger::Tx;
use haar_wire::AwsError;

use crate::capacity::{Direction, Units};
use crate::controllers::{Backups, Exports, Imports, Tables};
use crate::engine::Engine;
use crate::lookup::table_key;
use crate::refusal::unwritten;
use crate::state::TableRow;
use crate::streams::Peek;

/// The room.
pub struct Dynamodb {
    pub(crate) doors: Doors,
    pub(crate) engine: Arc<Engine>,
}

impl Dynamodb {
    /// Opens the room and offers its [`StreamPeek`] to the others.
    ///
    /// # Errors
    /// When kv does not open the items.
    pub fn open(doors: &Doors) -> Result<Arc<Self>, KvError> {
        let engine = Engine::open(&doors.kv, &doors.ledger, &doors.clock)?;
        let (ledger, clock) = (doors.ledger.clone(), doors.clock.clone());
        let peek = Peek { engine: Arc::clone(&engine), ledger, clock };
        doors.peeks.offer::<dyn StreamPeek>(Arc::new(peek));
        Ok(Arc::new(Self { doors: doors.clone(), engine }))
    }

    /// The controller that brings tables to where they are on their way to.
    pub fn tables(self: &Arc<Self>) -> Arc<Tables> {
        Arc::new(Tables(Arc::clone(self)))
    }

    /// The controller that makes and removes what backups keep.
    pub fn backups(self: &Arc<Self>) -> Arc<Backups> {
        Arc::new(Backups(Arc::clone(self)))
    }

    /// The controller that writes exports.
    pub fn exports(self: &Arc<Self>) -> Arc<Exports> {
        Arc::new(Exports(Arc::clone(self)))
    }

    /// The controller that reads imports.
    pub fn imports(self: &Arc<Self>) -> Arc<Imports> {
        Arc::new(Imports(Arc::clone(self)))
    }

    /// Meters what was used; never ends. The wiring spawns it.
    pub fn run(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let room = Arc::clone(self);
        async move { room.engine.usage.run(&room.doors, &room.engine.throttle).await }
    }

    /// Meters what was used since the last time; to be called before haar ends.
    pub fn flush(&self) {
        self.engine.usage.flush(&self.doors, &self.engine.throttle);
    }

    /// Forgets what is in memory; to be called before a reset.
    pub fn forget(&self) {
        self.engine.forget();
        self.engine.usage.forget();
    }

    /// The table whose items a request is about.
    pub(crate) fn serving(&self, call: &Call, named: &str) -> Result<Arc<TableRow>, AwsError> {
        self.engine.table(&table_key(call, named)?)
    }

    /// Runs one transaction at the end of a flow, and waits for the disk.
    pub(crate) async fn commit<T>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let committed = self.doors.ledger.transact(work)?;
        committed.durable().await.map_err(|error| unwritten(&error))
    }

    /// Takes what a read costs, before it is answered.
    ///
    /// # Errors
    /// When the table or the index has no throughput left.
    pub(crate) fn has_read(&self, table: &Arc<TableRow>, units: &Units) -> Result<(), AwsError> {
        self.engine.throttle.take(table, Direction::Read, units, self.doors.clock.now())?;
        self.engine.usage.add(table, Direction::Read, units);
        Ok(())
    }

    /// Notes what a write cost.
    pub(crate) fn has_written(&self, table: &Arc<TableRow>, units: &Units) {
        self.engine.usage.add(table, Direction::Write, units);
    }
}
