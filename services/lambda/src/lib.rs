//! AWS Lambda: functions that really run.
//!
//! Operations write rows ([`state`]) by pure [`rules`]; they start nothing. Begin there with
//! [`lookup::resolve`], which finds what a caller names.
//!
//! The data plane is the [`fleet`]: it takes a [`fleet::FunctionTarget`] and an event and
//! answers what the function answered. It never reads rows. Begin there with [`fleet::Fleet`].
//!
//! **Invariant:** a published version's code and settings never change.

mod authorisation;
mod bridge;
pub mod code;
pub mod controllers;
pub mod doors;
mod downloads;
pub mod fleet;
mod images;
pub mod invoke;
mod lanes;
mod log;
pub mod lookup;
mod ops;
mod refusal;
mod render;
mod room;
pub mod rules;
pub mod runtime_api;
pub mod runtimes;
mod sources;
pub mod state;
mod target;
mod telemetry;

pub use downloads::Downloads;
pub use refusal::Refusal;
pub use room::Lambda;

/// The quotas that an operator may put others in the place of.
pub const QUOTAS: [haar_kernel::Quota; 3] = [
    rules::concurrency::ACCOUNT_CONCURRENCY,
    ops::code_storage::CODE_STORAGE,
    rules::filter::FILTERS,
];
