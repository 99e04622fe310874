//! The operations that a room handles, by kind.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_ledger::Ledger;
use haar_wire::{AwsError, Operation};

use crate::idempotency::once;
use crate::operation::{Entry, TypedEntry};
use crate::{Answer, Call, Command, Flow, Query, Room};

/// Collects a room's handlers; filled by its generated `lanes.rs`.
pub struct Lanes<R> {
    room: Arc<R>,
    pub(crate) entries: Vec<Arc<dyn Entry>>,
    pub(crate) typed: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

/// Runs an operation on behalf of the kernel, whatever its lane.
pub(crate) trait Handle<O: Operation>: Send + Sync {
    fn handle(&self, ledger: &Ledger, call: Call, input: O::Input) -> BoxFuture<'_, Answer<O>>;
}

impl<R: Room> Lanes<R> {
    /// Lanes for a room, with no operation yet.
    pub fn new(room: Arc<R>) -> Self {
        Self { room, entries: Vec::new(), typed: BTreeMap::new() }
    }

    /// An operation that reads.
    pub fn query<O: Operation>(&mut self)
    where
        R: Query<O>,
    {
        self.add::<O, _>(QueryLane(Arc::clone(&self.room)));
    }

    /// An operation that writes.
    pub fn command<O: Operation>(&mut self)
    where
        R: Command<O>,
    {
        self.add::<O, _>(CommandLane(Arc::clone(&self.room)));
    }

    /// An operation that waits or streams.
    pub fn flow<O: Operation>(&mut self)
    where
        R: Flow<O>,
    {
        self.add::<O, _>(FlowLane(Arc::clone(&self.room)));
    }

    fn add<O: Operation, H: Handle<O> + 'static>(&mut self, lane: H) {
        let entry = Arc::new(TypedEntry::<O, R> {
            room: Arc::clone(&self.room),
            lane: Box::new(lane),
            counts: Default::default(),
            operation: PhantomData,
        });
        self.entries.push(Arc::clone(&entry) as Arc<dyn Entry>);
        let typed: Arc<dyn crate::operation::InProcess<O>> = entry;
        self.typed.insert(TypeId::of::<O>(), Arc::new(typed));
    }
}

struct QueryLane<R>(Arc<R>);
struct CommandLane<R>(Arc<R>);
struct FlowLane<R>(Arc<R>);

impl<O: Operation, R: Query<O>> Handle<O> for QueryLane<R> {
    fn handle(&self, ledger: &Ledger, call: Call, input: O::Input) -> BoxFuture<'_, Answer<O>> {
        let answer = self.0.query(&call, &ledger.snapshot(), input);
        std::future::ready(answer).boxed()
    }
}

impl<O: Operation, R: Room + Command<O>> Handle<O> for CommandLane<R> {
    fn handle(&self, ledger: &Ledger, call: Call, input: O::Input) -> BoxFuture<'_, Answer<O>> {
        let (room, call) = (&*self.0, &call);
        let committed = ledger.transact(|tx| {
            once::<O, R>(room, call, tx, input, |tx, input| room.command(call, tx, input))
        });
        async move {
            let committed = committed?;
            committed.durable().await.map_err(|error| {
                tracing::error!(%error, "a commit did not reach the disk");
                AwsError::internal_failure("the state could not be written")
            })
        }
        .boxed()
    }
}

impl<O: Operation, R: Flow<O>> Handle<O> for FlowLane<R> {
    fn handle(&self, _ledger: &Ledger, call: Call, input: O::Input) -> BoxFuture<'_, Answer<O>> {
        Arc::clone(&self.0).flow(call, input).boxed()
    }
}
