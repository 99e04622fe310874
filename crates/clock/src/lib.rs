//! Time and chance, as doors: the only reader of wall time and of entropy.
//!
//! Both doors have a simulated half. Simulated time is tokio's paused clock: in a
//! paused runtime a sleep ends as soon as nothing else can run, so hours pass in
//! milliseconds and in a fixed order. Simulated chance is a seeded generator.
//!
//! The machine's time can be moved ahead while a cloud runs ([`Clock::movable`]): what waits for
//! an instant sees the instants pass, what waits for a duration does not.
//!
//! **Invariant:** nothing else in haar calls `Instant::now`, `SystemTime::now`,
//! `tokio::time` or `getrandom`.

#![allow(clippy::disallowed_methods)] // this is the door that the ban points to

mod clock;
mod history;
mod id_source;
mod moved;
mod news;
mod recent;

pub use clock::{Clock, Elapsed, Moment};
pub use history::Move;
pub use id_source::{IdSource, Ids};
pub use moved::{ClockHand, Working};
pub use news::News;
pub use recent::Recent;
