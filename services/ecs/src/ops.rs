//! The operations, by noun.

mod attribute;
mod capacity_provider;
mod cluster;
mod cluster_settings;
mod deployment;
mod execute_command;
mod protection;
mod service;
mod service_list;
mod service_update;
mod setting;
mod tag;
mod task;
mod task_definition;
mod task_definition_list;
mod task_list;

pub(crate) use setting::blocks_on_logs;
pub(crate) use tag::Tagged;
pub(crate) use task::task_size;

/// An operation's input.
type Input<O> = <O as haar_wire::Operation>::Input;
