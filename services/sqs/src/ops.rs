//! One file for each noun.

mod attributes;
mod dead_letters;
mod delete;
mod listing;
mod move_task;
mod permission;
mod purge;
mod queue;
mod receive;
mod send;
mod tags;
mod visibility;

pub(crate) use move_task::source_of_handle;
