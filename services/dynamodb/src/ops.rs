//! The operations, by noun.

mod account;
mod backup;
mod batch;
mod capture;
mod delete;
mod get;
pub(crate) mod partiql;
mod policy;
mod put;
mod query;
pub(crate) mod table;
mod tags;
pub(crate) mod transact;
mod transfer;
mod ttl;
pub(crate) mod update;
