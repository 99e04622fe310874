//! Tasks that run: what their sandboxes are made of, and what this process does for them as long
//! as they run. All of it can be lost: it is made anew from the rows.

pub(crate) mod environment;
pub(crate) mod exits;
mod filters;
mod follow;
mod http;
mod logs;
mod metadata;
mod metrics;
mod observer;
mod prepare;
pub(crate) mod spec;

pub(crate) use filters::Filters;
pub(crate) use follow::Runs;
pub(crate) use prepare::role as task_role;
