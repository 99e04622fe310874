//! Amazon DynamoDB Streams: reading what happened to tables' items.
//!
//! The records are DynamoDB's; this room reads them through its
//! [`StreamPeek`](haar_dynamodb_contract::peek::StreamPeek) and keeps nothing. An iterator is a
//! text that says where to read on, so it survives haar.
//!
//! **Invariant:** a reader that follows its iterators sees every record of a shard once and in
//! order.
//!
//! Begin reading at `iterator`, then `ops::records`.
//!
//! Source of behaviour: *Amazon DynamoDB Developer Guide > Change data capture for DynamoDB
//! Streams*.

mod iterator;
mod lanes;
mod ops;
mod refusal;
mod render;
mod room;

pub use room::Streams;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Streams>) {
    lanes::lanes(lanes);
}
