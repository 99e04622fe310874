//! What makes rows true.

mod filters;
mod health;
mod services;
mod sweeper;
mod tasks;

pub use filters::{FilterStep, Filtering};
pub use health::{CheckStep, ContainerKey, Health};
pub use services::{ServiceStep, Services};
pub use sweeper::{Garbage, Sweeper};
pub(crate) use tasks::conclude;
pub use tasks::{TaskStep, Tasks};
