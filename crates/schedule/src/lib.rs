//! When something is due: the schedule expressions of EventBridge's rules and of EventBridge
//! Scheduler.
//!
//! Pure: `rate(…)`, `cron(…)` and `at(…)` are read once ([`Schedule::of_rule`],
//! [`Schedule::in_zone`]), then asked for the next instant ([`Schedule::next`]).
//!
//! **Invariant:** instants of one schedule are strictly ascending: who asks with the instant it
//! was answered last skips none and gets none twice, whatever clocks do in between.
//!
//! The time zones are the tz database's, carried along: no file of the host is read.
//! Sources of behaviour: *Amazon EventBridge User Guide > Cron and rate expressions*,
//! *EventBridge Scheduler User Guide > Schedule types*.

mod cron;
mod error;
mod field;
mod rate;
mod schedule;
mod zone;

pub use error::BadSchedule;
pub use schedule::{Kind, Schedule};
pub use zone::Zone;
