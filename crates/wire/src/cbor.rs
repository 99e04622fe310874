//! CBOR: the body of Smithy RPC v2, and of the JSON protocol as AWS's Java SDKs speak it to
//! Kinesis.

mod read;
mod write;

pub(crate) use read::read_object;
pub(crate) use write::{Times, write_error, write_object};
