//! What is decided without state: pure functions over values.

pub mod concurrency;
pub mod destination;
pub mod environment;
pub mod event_source;
pub mod filter;
pub mod names;
pub mod permission;
pub mod routing;
pub mod settings;
pub mod tags;
pub mod trace;
