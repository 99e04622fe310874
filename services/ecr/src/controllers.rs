//! What happens without being asked.

mod copies;
mod layers;
mod lifecycles;

pub use copies::{Copies, CopyKey, CopyStep};
pub use layers::{LayerStep, Layers, SweepKey};
pub(crate) use lifecycles::candidates;
pub use lifecycles::{LifecycleStep, Lifecycles, RepositoryName};
