//! The operations, by noun.

mod batch;
mod delete;
mod get;
mod put;
mod query;
pub(crate) mod table;
pub(crate) mod transact;
pub(crate) mod update;
