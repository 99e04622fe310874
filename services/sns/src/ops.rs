//! One file for each noun.

mod application;
mod device;
mod listing;
mod permission;
mod publish;
mod sandbox;
mod sms;
mod subscribe;
mod subscription;
mod tags;
mod topic;
