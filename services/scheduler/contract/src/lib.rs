//! What other rooms may know of Amazon EventBridge Scheduler: its shapes.

pub mod model;

pub use model::*;
