//! Amazon DynamoDB: tables, their items, indexes and streams.
//!
//! Tables are rows of the ledger; items, index entries and stream records are records in kv, and
//! change together in one batch. A write holds its shard's lock while it reads, checks and
//! writes, then waits for the disk without it: whoever was answered is on disk, and writers of
//! one item come one after another.
//!
//! **Invariant:** an index entry is there exactly while its item has the index's key.
//! **Invariant:** what a table's items are called in kv begins with an id that no other table
//! gets: a new table of an old name starts empty, however far its removal has come.
//!
//! Begin reading at `engine::write`, then `ops::put`; expressions are in `rules::expression`.
//!
//! Source of behaviour: *Amazon DynamoDB Developer Guide*.

mod access;
mod capacity;
mod captures;
pub mod controllers;
mod convert;
mod engine;
mod lanes;
mod lookup;
mod metering;
mod ops;
mod orders;
mod refusal;
mod render;
mod requests;
mod room;
mod rules;
mod state;
mod streams;
mod sweeps;
mod throttle;
mod transfers;
mod usage;

pub use room::Dynamodb;
pub use state::tables;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Dynamodb>) {
    lanes::lanes(lanes);
}
