//! The language of event patterns: EventBridge's rules, Pipes, SNS's filter policies and Lambda's
//! filter criteria are written in it.
//!
//! Pure: [`Pattern::compile`] reads a text as strictly as the service does and says what is wrong
//! with it in the service's words; [`Pattern::matches`] judges an event. A compiled pattern is
//! kept and used many times.
//!
//! **Invariant:** no text and no event makes either of them fail otherwise, or recurse deeper than
//! [`DEPTH_MAX`] levels.
//!
//! Beside it: the paths ([`Path`]) and templates ([`template`]) by which the same services make new
//! texts of events.
//!
//! Begin with [`Pattern`]. Source of behaviour: *Amazon EventBridge User Guide > Comparison
//! operators for use in event patterns*; the texts of refusals are those of the service.

mod address;
mod compile;
mod dialect;
mod error;
mod expression;
mod matcher;
mod number;
mod path;
mod pattern;
pub mod template;
mod token;
mod tree;
mod wildcard;

pub use dialect::Dialect;
pub use error::PatternError;
pub use path::Path;
pub use pattern::{Leaf, Pattern};
pub use token::DEPTH_MAX;
