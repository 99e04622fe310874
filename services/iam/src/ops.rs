//! Operations, one file for each noun.

mod access_key;
mod account;
mod attached_policy;
mod authorization_details;
mod boundary;
mod entities;
mod group;
mod inline_policy;
mod instance_profile;
mod linked_role;
mod login_profile;
mod nothing;
mod policy;
mod policy_version;
mod role;
mod simulation;
mod tag;
mod trust;
mod user;
