//! What is decided, by values alone.

pub mod batch;
pub mod report;
pub mod retry;
pub mod scaling;
pub mod shards;
pub mod window;
