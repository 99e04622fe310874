//! The request pipeline: who calls, may they, which lane, what they hear.
//!
//! Knows no AWS service by name. Rooms register typed handlers in [`Lanes`]; the kernel
//! finds the operation of a request, asks the gate, runs the handler in its lane and encodes
//! the answer in the caller's protocol.
//!
//! **Invariant:** a [`Query`] sees one snapshot, a [`Command`] makes one commit or none.
//! **Invariant:** in `enforce` mode nothing runs that no policy allows.
//!
//! Begin with [`Kernel::serve`].

mod by_name;
mod call;
mod data_key;
mod doors;
mod flow;
mod gate;
mod handlers;
mod holds;
mod idempotency;
mod identity;
mod inflate;
mod inside;
mod kept;
mod kernel;
mod lanes;
mod listing;
mod meter;
mod operation;
mod outbox;
mod page;
mod pages;
mod peeks;
mod quota;
mod room;
mod settings;
mod site;
mod tag_keys;
pub mod targets;
mod telemetry;
mod visit;

/// The head of a request, of which [`Room::examine`] and its kin are told.
pub use http::request::Parts;

pub use call::{Call, Principal, Signature, SignaturePlace, SignatureVersion};
pub use data_key::DataKey;
pub use doors::{DoorParts, Doors};
pub use gate::{Question, resource_of};
pub use handlers::{Answer, Command, Flow, Query};
pub use holds::HoldsBlobs;
pub use idempotency::TOKEN_LIFETIME;
pub use identity::{Identities, Identity, IdentityError, NoIdentities};
pub use inside::{ApiDoor, INSIDE_MAX, serve_inside};
pub use kept::Kept;
pub use kernel::{Inbound, Kernel, KernelBuilder};
pub use lanes::{Lanes, unwritten};
pub use listing::Listing;
pub use meter::{Meter, NoMeter, UsageRecord};
pub use outbox::{Delivery, DeliveryStep, Event, Listener, NotHeard, Outbox, Told};
pub use page::{BadToken, Page, mint_token, page, read_token};
pub use pages::{Asker, ForeignPage, host_of, is_below, is_local, is_loopback, whose_page};
pub use peeks::Peeks;
pub use quota::{Quota, QuotaOverride, Quotas};
pub use room::Room;
pub use settings::{Auth, Settings};
pub use site::Site;
pub use tag_keys::{request_tags, resource_tags};
pub use visit::SignedText;

/// The kernel's own tables, for the ledger: tokens that were used, events that are told.
pub fn tables() -> haar_ledger::Tables {
    outbox::tables().with::<idempotency::TokenRow>()
}
