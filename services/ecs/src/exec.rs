//! ECS Exec: commands in containers that run, over AWS's data channel.
//!
//! `ExecuteCommand` offers a session and answers its token; whoever opens the channel with it
//! runs the command. Sessions are this process's own: they end with it.
//!
//! Source of behaviour: *Developer Guide > Monitor Amazon ECS containers with ECS Exec*.

mod command;
mod conversation;
mod sessions;
mod site;
mod transcript;

pub(crate) use sessions::{Offer, Sessions};
pub use site::DataChannels;
pub(crate) use transcript::TranscriptTo;
