//! AWS Identity and Access Management: users, groups, roles, policies, access keys.
//!
//! Operations write rows ([`tables`]); deciding by them is `haar-policy`'s. The room answers
//! the gate's questions ([`haar_kernel::Identities`]) and the neighbours'
//! ([`haar_iam_contract::peek::IamPeek`]). A session has no row: its token holds all that is
//! known of it, sealed with this installation's key.
//!
//! **Invariant:** a policy that stands in a row can be read. **Invariant:** a secret is shown
//! once, when it is made. **Invariant:** a session is good only as long as the very user or
//! role that it was made from.
//!
//! Begin reading at [`Iam`].

mod entity;
mod identities;
mod lanes;
mod last_uses;
mod lookup;
mod managed;
mod ops;
mod peek;
mod policies;
mod principals;
mod refusal;
mod render;
mod room;
mod rules;
mod sessions;
mod state;

pub use room::{Iam, RootKey};
pub use state::tables;

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Iam>) {
    lanes::lanes(lanes);
}
