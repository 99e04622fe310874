//! The three kinds of handler.

use std::future::Future;
use std::sync::Arc;

use haar_ledger::{Snapshot, Tx};
use haar_wire::{AwsError, Operation};

use crate::Call;

/// What a handler answers: the operation's output, or an error for the customer.
pub type Answer<O> = Result<<O as Operation>::Output, AwsError>;

/// Reads one snapshot. No effect, no write, no await.
pub trait Query<O: Operation>: Send + Sync {
    /// Answers from what is there.
    fn query(&self, call: &Call, snapshot: &Snapshot, input: O::Input) -> Answer<O>;
}

/// Changes the state in one transaction; an error leaves nothing behind. It may be run again
/// on a newer state, so it does nothing beside reading and writing `tx`.
pub trait Command<O: Operation>: Send + Sync {
    /// Looks up, refuses, writes, answers.
    fn command(&self, call: &Call, tx: &mut Tx, input: O::Input) -> Answer<O>;
}

/// Moves bytes or waits: async, under the gateway's deadline and byte limit, ending in at most
/// one commit. Its client may hang up at any await, and then it is dropped there.
pub trait Flow<O: Operation>: Send + Sync + 'static {
    /// Does it.
    fn flow(self: Arc<Self>, call: Call, input: O::Input)
    -> impl Future<Output = Answer<O>> + Send;
}
