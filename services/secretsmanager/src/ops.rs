//! One file for each noun.

mod deletion;
mod listing;
mod password;
mod policy;
mod read;
pub(crate) mod replication;
pub(crate) mod rotation;
mod secret;
mod stage;
mod tag;
mod value;
