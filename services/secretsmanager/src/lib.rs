//! AWS Secrets Manager: secrets, their versions, and the stages that point at them.
//!
//! A secret is a row, each version another, with its value sealed. Staging labels live in the
//! secret's row, so that a label is on one version at most. Key ids are kept and shown; the key
//! that seals is the installation's. `controllers::rotations` calls a secret's function, step by
//! step, when it is due; `controllers::replicas` keeps the rows of other regions like their
//! primary's.
//!
//! **Invariant:** `AWSCURRENT` points at a version once a secret has any. **Invariant:** no
//! value is in a row, log or message in the clear.
//!
//! Begin reading at `state`, then `ops::value`.
//!
//! Source of behaviour: *AWS Secrets Manager User Guide*, *API Reference*.

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

pub use room::SecretsManager;
pub use state::tables;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<SecretsManager>) {
    lanes::lanes(lanes);
}
