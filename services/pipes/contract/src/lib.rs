//! What other rooms may know of Amazon EventBridge Pipes: its shapes.

pub mod model;

pub use model::*;
