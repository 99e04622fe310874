//! Amazon EventBridge: buses, rules and their targets, archives and replays, API destinations.
//!
//! An event is matched in memory against the compiled patterns of its bus, and what is to be sent
//! is staged on disk before the sender is answered; the courier then carries each delivery to its
//! target, with the target's retries and dead letters. Rules with a schedule send themselves.
//!
//! **Invariant:** an acknowledged event reaches the targets of all rules that matched it at that
//! time, at least once. **Invariant:** an instant of a schedule is sent once: the mark of how far
//! a rule has come is written in the same batch as what it sends.
//!
//! Begin with `publish`, then `delivery`. Source of behaviour: *Amazon EventBridge User Guide*.

mod archive;
pub mod controllers;
mod delivery;
mod lanes;
mod lookup;
mod matching;
mod measure;
mod offer;
mod ops;
mod publish;
mod refusal;
mod render;
mod room;
mod rules;
mod schedule;
mod service_events;
mod state;

pub use room::Events;
pub use state::tables;

/// The quotas that an operator may put others in the place of.
pub const QUOTAS: [haar_kernel::Quota; 1] = [ops::rule::PATTERN_SIZE];

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Events>) {
    lanes::lanes(lanes);
}
