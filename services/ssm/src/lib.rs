//! AWS Systems Manager's Parameter Store: named values with versions, labels and policies.
//!
//! A parameter is a row, each of its versions another. Values of type `SecureString` stand
//! sealed in their rows; key ids are kept and shown, the key that seals is the installation's.
//!
//! **Invariant:** a parameter's newest version is always there. **Invariant:** the value of a
//! `SecureString` is in no row, log or message in the clear.
//!
//! Begin reading at `rules::name`, then `ops::put`.
//!
//! Source of behaviour: *AWS Systems Manager User Guide > Parameter Store*.

mod announce;
pub mod controllers;
mod lanes;
mod lookup;
mod ops;
mod peek;
mod refusal;
mod render;
mod room;
mod rules;
mod state;

pub use room::Ssm;
pub use state::tables;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Ssm>) {
    lanes::lanes(lanes);
}
