//! `BatchGetItem` and `BatchWriteItem`.

mod get;
mod write;
