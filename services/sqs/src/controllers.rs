//! What is done without a request.

mod moves;

pub use moves::Moves;
