//! What happens to tables over time.

mod tables;

pub use tables::{Advance, TableName, Tables};
