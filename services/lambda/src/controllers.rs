//! What goes on after an operation has answered.

mod charges;
mod functions;
mod mappings;
mod provisioned;

pub use charges::{ChargeStep, Charges};
pub use functions::{FunctionStep, Functions};
pub use mappings::{MappingStep, Mappings};
pub use provisioned::{Provisioned, ProvisionedStep};
