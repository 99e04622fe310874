//! The data channel of AWS's Session Manager, as ECS Exec speaks it: a terminal or two pipes over
//! one WebSocket.
//!
//! Both ends are here: what runs a command ([`Role::Agent`]) and what a person sits at
//! ([`Role::Client`]). [`Message`] is the binary form of what is said, [`documents`] are the JSON
//! payloads, and [`Channel`] keeps the order: it numbers what is sent, sends it again until it is
//! acknowledged, and hands over what comes once and in turn. It does no I/O; a [`Line`] is a
//! channel on its socket.
//!
//! **Invariant:** whatever bytes come, nothing panics, and what is kept of them is bounded.
//!
//! Source of behaviour: the sources of AWS's session-manager-plugin and SSM agent.

mod channel;
pub mod documents;
mod line;
mod message;

pub use channel::{Channel, Heard, PAYLOAD_BYTES_MAX, Role};
pub use line::{Incoming, Line, socket_config};
pub use message::{HEADER_BYTES, Message, MessageError, MessageKind, PayloadKind};
