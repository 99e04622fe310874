//! Amazon CloudWatch: metrics, their statistics, and mathematics on them.
//!
//! Begin with [`rules`] for how values become statistics.

mod rules;
mod store;
