//! The operations, by noun.

mod records;
mod streams;
