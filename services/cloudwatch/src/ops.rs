//! The room's operations.

mod data;
mod list;
mod put;
mod statistics;
