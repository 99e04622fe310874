//! One file for each noun.

mod account;
mod consumer;
mod encryption;
mod iterator;
mod monitoring;
mod policy;
mod record;
mod retention;
mod shard;
mod stream;
pub(crate) mod subscription;
mod tag;
mod throughput;
