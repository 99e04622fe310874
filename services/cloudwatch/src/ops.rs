//! The room's operations.

mod data;
mod list;
mod put;
mod statistics;

pub(crate) use put::PUT_BYTES_MAX;
