//! The ledger through its public door, on every store.

#![allow(clippy::unwrap_used)] // a test ends where it cannot go on

mod crash;
mod feed;
mod model;
mod rows;
mod stalls;
mod stores;
mod transactions;
