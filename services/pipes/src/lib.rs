//! Amazon EventBridge Pipes: what comes out of a queue or a stream is filtered, enriched,
//! transformed and given to a target, as the pipe's role.
//!
//! A pipe is a row. The controller `pipes.pipes` settles what operations ask for (created, updated,
//! started, stopped, deleted), and the loop [`Pipes::run`] keeps a poller of `haar-poller` running
//! for each pipe that is `RUNNING`. What one batch goes through is an `execution`.
//!
//! **Invariant:** a record is done with only when the target took it, the enrichment left it out,
//! or it was given up and told to the dead letters: after a crash it comes again. **Invariant:** a
//! pipe that says `STOPPED` gives nothing to anybody: its poller has ended.
//!
//! Begin with `execution`, then `pollers`. Source of behaviour: *Amazon EventBridge User Guide >
//! EventBridge Pipes*.

pub mod controllers;
mod execution;
mod lanes;
mod lookup;
mod measure;
mod ops;
mod pollers;
mod reader;
mod refusal;
mod render;
mod room;
mod rules;
mod state;

pub use room::Pipes;
pub use state::tables;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Pipes>) {
    lanes::lanes(lanes);
}
