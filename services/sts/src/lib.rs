//! AWS Security Token Service: temporary credentials, and who is calling.
//!
//! No operation writes: a session's token holds all that is known of it. Roles, policies and
//! the sealing of tokens are IAM's ([`haar_iam_contract::peek::IamPeek`]).
//!
//! **Invariant:** in `enforce` mode nobody assumes a role that its trust policy does not let
//! them assume.
//!
//! Begin reading at [`Sts`].

mod lanes;
mod ops;
mod refusal;
mod room;
mod rules;

pub use room::Sts;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Sts>) {
    lanes::lanes(lanes);
}
