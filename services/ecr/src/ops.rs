//! Operations, by noun.

pub(crate) mod account;
mod authorization;
mod image;
mod layer;
mod lifecycle;
mod lifecycle_preview;
mod pull_through;
mod referrer;
mod registry;
mod replication;
mod repository;
mod repository_policy;
mod scanning;
mod storage_class;
mod tag;
mod template;
