//! What makes wishes true.

mod charges;
mod streams;
mod sweeper;

pub use charges::{ChargeStep, Charges};
pub use streams::{Streams, StreamsKey, StreamsStep};
pub use sweeper::{SweepStep, Sweeper};
