//! Amazon S3: buckets, and objects of any size in them.
//!
//! Buckets and their configurations are rows of the ledger. Objects are records in kv, in the
//! order of their keys, so that a listing is a range; bytes of small ones stand beside them, those
//! of large ones are blobs. A write is answered once its batch is on disk.
//!
//! **Invariant:** bytes of an object are never held whole, beyond 64 KiB of them.
//! **Invariant:** what a bucket tells its listeners stands in the batch of what it tells of.
//!
//! Begin with `state` and `store`, then `ops::put`.
//!
//! Source of behaviour: *Amazon S3 User Guide*, *Amazon S3 API Reference*.

mod access;
mod checksum;
pub mod controllers;
mod cors;
mod customer;
mod lanes;
mod lifecycle;
mod listing;
mod lookup;
mod metering;
mod notices;
mod ops;
mod reading;
mod refusal;
mod reminder;
mod render;
mod replication;
mod room;
mod rules;
mod sites;
mod spool;
mod state;
mod store;
mod target;

pub use room::S3;
pub use sites::Sites;

/// The room's tables, to be known to the ledger before it opens.
pub fn tables() -> haar_ledger::Tables {
    state::tables()
}

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<S3>) {
    lanes::lanes(lanes);
}
