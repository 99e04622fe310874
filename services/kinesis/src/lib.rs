//! Amazon Kinesis Data Streams: streams of shards, and the records in them.
//!
//! Streams, shards and consumers are rows of the ledger, records are in kv. What each shard
//! gave last, and who waits for more, is kept in memory ([`tips`]) and found again from kv.
//! Operations write what is asked for; `controllers::streams` settles it: only there shards
//! are closed and opened.
//!
//! **Invariant:** sequence numbers ascend within a shard in the order in which readers see its
//! records, and its children's begin behind its last. **Invariant:** a closed shard takes no
//! record. **Invariant:** a record is on disk before its sender hears of it.
//!
//! Begin reading at `put` for how records come in, then `read`.
//!
//! Source of behaviour: *Amazon Kinesis Data Streams Developer Guide*.

mod access;
pub mod controllers;
mod growth;
mod lanes;
mod lookup;
mod metering;
mod ops;
mod peek;
mod put;
mod read;
mod records;
mod refusal;
mod render;
mod room;
mod rules;
mod state;
mod target;
mod tips;

pub use room::Kinesis;
pub use state::tables;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Kinesis>) {
    lanes::lanes(lanes);
}
