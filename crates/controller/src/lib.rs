//! The driver of level-triggered controllers.
//!
//! A [`Controller`] is two functions: `plan` reads rows and the time and says what is to be
//! done, `act` does one step and may be repeated. The [`Driver`] hands `plan` a key, never an
//! event, so a restart, a lost wake-up and a resync all take the same path. It alone owns
//! waking, back-off, concurrency and the quarantine of keys that panic.
//!
//! **Invariant:** at most one `act` of a controller's key runs at a time.
//!
//! Begin with [`Controller`], then [`Driver`].

#![allow(clippy::disallowed_methods)] // this is the driver: it spawns the loops and the acts

mod controller;
mod driver;
mod inbox;
mod queue;
mod seats;
mod stats;

pub use controller::{ActCx, ActError, Controller, Plan, TimeOf};
pub use driver::{Driver, DriverHandle};
pub use stats::ControllerStats;
