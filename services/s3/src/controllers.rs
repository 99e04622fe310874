//! The room's controllers.

mod lifecycles;

pub use lifecycles::{LifecycleStep, Lifecycles};
