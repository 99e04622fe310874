//! Amazon SNS: topics, subscriptions, and what goes from the ones to the others.
//!
//! Topics and subscriptions are rows of the ledger. A message that is published is staged with the
//! courier, once for each subscription that wants it, and is on disk before `Publish` answers;
//! the carrier ([`delivery`]) makes the document that the subscriber's protocol asks for, sends
//! it, and decides on retries and dead letters. Email, SMS and mobile push end in the [`outbox`],
//! where they can be looked at; nothing of them leaves the machine.
//!
//! A FIFO topic may keep its messages ([`archive`]), and a subscription get them again.
//!
//! Documents are signed ([`signing`]), a message once for all of its subscriptions.
//!
//! **Invariant:** of a FIFO topic's group, a subscription gets one message after another, in the
//! order of their sequence numbers.
//!
//! Begin reading at `publish`, then `delivery`.
//!
//! Source of behaviour: *Amazon SNS Developer Guide* and *API Reference*.

mod access;
mod archive;
mod delivery;
mod lanes;
mod lookup;
mod metrics;
mod ops;
mod ordered;
mod outbox;
mod publish;
mod refusal;
mod room;
mod rules;
mod signing;
mod state;
mod target;

pub use room::Sns;
pub use signing::Certificates;
