//! Amazon EventBridge Scheduler: schedules that call a target once, at a rate, or by a calendar.
//!
//! A schedule is a row; what is due next stands in a timetable in memory. What is due is staged
//! with the courier in the same batch as the mark of how far the schedule has come; the courier
//! then carries each invocation, as the schedule's role, with its retries and dead letters.
//!
//! **Invariant:** an instant of a schedule is invoked once, whatever crashes: the mark and the
//! invocation are on disk together.
//!
//! Begin with `timing`, then `delivery`. Source of behaviour: *EventBridge Scheduler User Guide*.

mod delivery;
mod lanes;
mod lookup;
mod measure;
mod ops;
mod refusal;
mod render;
mod room;
mod rules;
mod state;
mod timing;

pub use room::Scheduler;
pub use state::tables;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Scheduler>) {
    lanes::lanes(lanes);
}
