//! AWS Security Token Service: temporary credentials, and who is calling.
//!
//! A session leaves no row: its token holds all that is known of it. All that is written is which
//! code of an MFA device was taken, by IAM. Roles, policies and
//! the sealing of tokens are IAM's ([`haar_iam_contract::peek::IamPeek`]).
//!
//! **Invariant:** in `enforce` mode nobody assumes a role that its trust policy does not let
//! them assume. **Invariant:** a web identity token counts only once its issuer's key has proven it.
//!
//! Begin reading at [`Sts`].

mod issuers;
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
