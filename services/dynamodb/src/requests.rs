//! Inputs of operations as orders and projections.

mod pages;
mod projections;
mod writes;

pub(crate) use pages::{PageInput, Plan, plan_query, plan_scan};
pub(crate) use projections::projected;
pub(crate) use writes::{ConditionInput, UpdateInput, delete, put, update};
