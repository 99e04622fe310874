//! AWS Lambda: functions that really run.
//!
//! Operations write rows ([`state`]) by pure [`rules`]; nothing here starts anything.
//! Begin with [`lookup::resolve`], which finds what a caller names.
//!
//! **Invariant:** a published version's code and settings never change.

pub mod lookup;
mod refusal;
pub mod rules;
pub mod state;

pub use refusal::Refusal;
