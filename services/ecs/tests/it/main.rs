//! Tests of the room on simulated time, with a simulated substrate.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod channels;
mod churn;
mod clusters;
mod definitions;
mod enforced;
mod exec;
mod house;
mod logs;
mod neighbourhood;
mod pins;
mod service_requests;
mod services;
mod stories;
mod tasks;
