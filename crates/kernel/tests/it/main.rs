//! The kernel with a toy room: engines that are started and listed.

#![allow(clippy::unwrap_used)] // a test ends where it cannot go on

mod inside;
mod listing;
mod outbox;
mod serving;
mod tokens;
mod toy;
mod visitors;
