//! Amazon CloudWatch: metrics, their statistics, and mathematics on them.
//!
//! Begin with [`rules`] for how values become statistics.

pub mod controllers;
mod rules;
mod sink;
mod state;
mod store;
