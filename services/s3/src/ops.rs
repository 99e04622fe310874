//! Operations, by noun.

mod abac;
mod acl;
mod attributes;
mod bucket;
mod config;
mod copy;
mod delete;
mod encryption;
mod get;
mod list;
mod list_versions;
mod lock;
pub(crate) mod manner;
mod multipart;
mod notification;
mod part;
mod policy;
pub(crate) mod put;
mod reports;
pub(crate) mod restore;
mod tagging;
mod uploads;
mod versioning;
