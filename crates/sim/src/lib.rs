//! The whole cloud in one thread on simulated time.
//!
//! A [`Sim`] says what a process consists of: its tables, what it starts from its doors, and
//! what lives outside it, as the machine that runs things does. A story then plays in a
//! [`World`], once per seed: it lets time pass, breaks the disk, and kills the process, as
//! `kill -9` does, at moments that the seed picks. Invariants are asked whenever commits
//! become durable.
//!
//! The process has a tokio runtime of its own with a paused clock. A crash drops the runtime,
//! so each of its futures ends where it waits, and takes away what was not flushed; the next
//! process goes on at the same simulated time from what the disk has.
//!
//! **Invariant:** the same seed plays the same story.
//!
//! Begin with [`Sim`], then [`World`].

mod doors;
mod play;
mod world;

pub use doors::SimDoors;
pub use play::Sim;
pub use world::World;
