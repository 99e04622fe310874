//! The HTTP front door: one port for all APIs.
//!
//! Accepts connections, no more than there is room for, keeps browsers of foreign pages out, bounds
//! bodies and headers, then hands the request to a site that claims it, to an admin page, or to the
//! kernel. Knows no AWS service.
//!
//! **Invariant:** off loopback it listens only when every call is signed and decided by
//! policies. **Invariant:** a request that was accepted is answered before haar stops, or the
//! grace ends.
//!
//! Begin with [`Gateway::listen`].

#![allow(clippy::disallowed_methods)] // spawns: one future per connection, all joined at stop

mod admin;
mod calm;
mod guard;
mod intake;
mod parting;
mod patience;
mod places;
mod server;

pub use admin::{AdminAnswer, AdminFault, AdminPage, AdminQuestion};
pub use places::Visitor;
pub use server::{Gateway, ListenError};
