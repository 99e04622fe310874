//! What goes on after an operation has answered.

mod functions;
mod mappings;
mod provisioned;

pub use functions::{FunctionStep, Functions};
pub use mappings::{MappingStep, Mappings};
pub use provisioned::{Provisioned, ProvisionedStep};
