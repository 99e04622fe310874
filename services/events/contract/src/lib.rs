//! What other rooms may know of Amazon EventBridge: its shapes, and how a service's own events
//! come onto the default bus.

pub mod events;
pub mod model;

pub use model::*;
