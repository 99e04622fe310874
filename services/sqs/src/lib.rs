//! Amazon SQS: standard and FIFO queues, long polling, dead letters and their way back.
//!
//! Queues are rows of the ledger; messages are records in kv. The [`engine`] has an index of
//! each queue in memory (places, times and groups, no bodies) and makes it anew from kv when a
//! queue is first used. A waiting receiver is woken by what arrives and by the next message that
//! is due; nobody polls.
//!
//! **Invariant:** a message whose sender was answered, and a delete that was answered, are on
//! disk. **Invariant:** of a FIFO queue's group, nothing is handed out while one is in flight.
//!
//! Begin reading at `engine`, then `ops::send` and `ops::receive`.
//!
//! Source of behaviour: *Amazon SQS Developer Guide* and *API Reference*.

mod access;
pub mod controllers;
mod engine;
mod lanes;
mod lookup;
mod metrics;
mod ops;
mod refusal;
mod room;
mod rules;
mod state;
mod target;

pub use room::Sqs;
