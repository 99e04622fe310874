//! Event source mappings at work: a poller for each mapping that is enabled.
//!
//! Rows say what is to be polled; the loop [`Lambda::poll_sources`] keeps exactly that many
//! pollers running, and starts one anew when its row has changed. How batches are gathered and
//! retried is `haar-poller`'s, where records come from is told by the contracts of SQS, Kinesis and
//! DynamoDB streams; here is what events look like, and who takes them: the fleet, in process.
//!
//! **Invariant:** of one mapping at most one poller runs; a new one begins when the one before
//! has ended.

mod check;
mod consumer;
mod discard;
mod event;
mod identity;
mod pollers;

pub(crate) use pollers::Pollers;
