//! CBOR: the body of Smithy RPC v2.

mod read;
mod write;

pub(crate) use read::read_object;
pub(crate) use write::{write_error, write_object};
