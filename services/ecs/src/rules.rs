//! Pure functions: what is allowed, and what follows from what.

pub(crate) mod awslogs;
pub(crate) mod capacity;
pub(crate) mod containers;
pub(crate) mod definition;
pub(crate) mod deployment;
pub(crate) mod fargate;
pub(crate) mod names;
pub(crate) mod order;
pub(crate) mod passing;
pub(crate) mod tags;
