//! What other rooms may know of Amazon EventBridge: its shapes, how a service's own events
//! come onto the default bus, and how API destinations are called.

pub mod destinations;
pub mod events;
pub mod model;

pub use model::*;
