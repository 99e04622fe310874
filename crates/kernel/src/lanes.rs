//! The operations that a room handles, by kind.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_ledger::{Ledger, LedgerError, Tx};
use haar_wire::{AwsError, Operation, OperationSchema, Shape};

use crate::idempotency::once;
use crate::operation::{Entry, Erased, unboxed};
use crate::{Call, Command, Flow, Query, Room};

/// Collects a room's handlers; filled by its generated `lanes.rs`.
pub struct Lanes<R> {
    room: Arc<R>,
    pub(crate) entries: Vec<Entry>,
}

/// Runs an operation on behalf of the kernel, whatever its lane. The input is the operation's.
pub(crate) trait Handle: Send + Sync {
    fn handle(
        &self,
        ledger: &Ledger,
        call: Call,
        input: Box<dyn Shape>,
    ) -> BoxFuture<'static, Erased>;
}

impl<R: Room> Lanes<R> {
    /// Lanes for a room, with no operation yet.
    pub fn new(room: Arc<R>) -> Self {
        Self { room, entries: Vec::new() }
    }

    /// An operation that reads.
    pub fn query<O: Operation>(&mut self)
    where
        R: Query<O>,
    {
        let lane = QueryLane(Arc::clone(&self.room), PhantomData::<fn() -> O>);
        self.add(O::SCHEMA, Box::new(lane));
    }

    /// An operation that writes.
    pub fn command<O: Operation>(&mut self)
    where
        R: Command<O>,
    {
        let lane = CommandLane(Arc::clone(&self.room), PhantomData::<fn() -> O>);
        self.add(O::SCHEMA, Box::new(lane));
    }

    /// An operation that waits or streams.
    pub fn flow<O: Operation>(&mut self)
    where
        R: Flow<O>,
    {
        let lane = FlowLane(Arc::clone(&self.room), PhantomData::<fn() -> O>);
        self.add(O::SCHEMA, Box::new(lane));
    }

    fn add(&mut self, schema: &'static OperationSchema, lane: Box<dyn Handle>) {
        let room = Arc::clone(&self.room);
        self.entries.push(Entry::new(room, lane, schema));
    }
}

struct QueryLane<O, R>(Arc<R>, PhantomData<fn() -> O>);
struct CommandLane<O, R>(Arc<R>, PhantomData<fn() -> O>);
struct FlowLane<O, R>(Arc<R>, PhantomData<fn() -> O>);

impl<O: Operation, R: Room + Query<O>> Handle for QueryLane<O, R> {
    fn handle(
        &self,
        ledger: &Ledger,
        call: Call,
        input: Box<dyn Shape>,
    ) -> BoxFuture<'static, Erased> {
        let answer = self.0.query(&call, &ledger.snapshot(), unboxed(input));
        ready(answer.map(|output| Box::new(output) as Box<dyn Shape>))
    }
}

impl<O: Operation, R: Room + Command<O>> Handle for CommandLane<O, R> {
    fn handle(
        &self,
        ledger: &Ledger,
        call: Call,
        input: Box<dyn Shape>,
    ) -> BoxFuture<'static, Erased> {
        commit(&*self.0, O::SCHEMA, ledger, &call, input, &|tx, input| {
            let output = self.0.command(&call, tx, unboxed(input))?;
            Ok(Box::new(output))
        })
    }
}

impl<O: Operation, R: Room + Flow<O>> Handle for FlowLane<O, R> {
    fn handle(
        &self,
        _ledger: &Ledger,
        call: Call,
        input: Box<dyn Shape>,
    ) -> BoxFuture<'static, Erased> {
        let flowing = Arc::clone(&self.0).flow(call, unboxed(input));
        flowing.map(|answer| answer.map(|output| Box::new(output) as Box<dyn Shape>)).boxed()
    }
}

/// An answer that is there already.
fn ready(answer: Erased) -> BoxFuture<'static, Erased> {
    std::future::ready(answer).boxed()
}

/// Runs a command in a transaction, once for each token; its answer comes when all is on disk.
fn commit(
    room: &dyn Room,
    schema: &'static OperationSchema,
    ledger: &Ledger,
    call: &Call,
    input: Box<dyn Shape>,
    run: &dyn Fn(&mut Tx, Box<dyn Shape>) -> Erased,
) -> BoxFuture<'static, Erased> {
    let committed = match ledger.transact(|tx| once(room, schema, call, tx, input, run)) {
        Ok(committed) => committed,
        Err(refused) => return ready(Err(refused)),
    };
    async move { committed.durable().await.map_err(unwritten) }.boxed()
}

/// What a customer is told whose commit did not reach the disk.
pub fn unwritten(error: LedgerError) -> AwsError {
    tracing::error!(%error, "a commit did not reach the disk");
    match error {
        LedgerError::Full => AwsError::disk_full(),
        _ => AwsError::internal_failure("the state could not be written"),
    }
}
