//! Around an invocation: what a caller may send, the queue of asynchronous events, and
//! function URLs.
//!
//! **Invariant:** an event is on disk before its caller hears 202. **Invariant:** a function has
//! an event at most once more than its retries allow, and once more for each time that haar
//! ended meanwhile, which is bounded too.
//!
//! Begin with [`AsyncQueue`]; `url` maps HTTP requests to events and answers back.

mod async_event;
mod chain;
mod destination;
mod directory;
mod payload;
mod queue;
mod record_bytes;
mod role;
mod site;
mod turns;
pub mod url;
mod url_access;
mod worker;

pub use async_event::{
    AsyncConfig, AsyncEvent, AsyncTarget, EventSender, EventTarget, FunctionDirectory,
};
pub use chain::Link;
pub(crate) use chain::Sampled;
pub(crate) use destination::LOOP_MESSAGE;
pub(crate) use directory::{Remembered, pool_key};
pub use payload::{
    ASYNC_PAYLOAD_BYTES_MAX, PayloadError, SYNC_PAYLOAD_BYTES_MAX, check_async, check_sync,
    decode_client_context,
};
pub use queue::{AsyncQueue, QueueParts, QueueSettings};
pub use site::UrlSite;
