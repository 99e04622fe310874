//! IAM evaluation: policies and a request's context in, a decision with its reason out.
//!
//! Pure: no state, no clock, no I/O. [`Document::parse`] reads a policy as strictly as IAM
//! does, [`decide`] weighs a [`PolicySet`] for one [`RequestContext`].
//!
//! **Invariant:** an explicit deny wins over everything, and nothing is allowed that no
//! statement allows (the root user of the resource's account aside).
//!
//! Begin with [`decide`]. Source of behaviour: *IAM User Guide > Policy evaluation logic*.

mod condition;
mod context;
mod decide;
mod document;
mod glob;
mod json;
mod operator;
mod parse;
mod position;
mod principal;
mod rename;
mod resource;
mod statement;
mod template;
mod validate;

pub use context::{Principal, RequestContext};
pub use decide::{Decision, Match, PolicyKind, PolicySet, Reason, decide};
pub use document::{Document, Effect, Grammar, PolicyError, listed};
pub use position::{Position, positions};
pub use rename::with_principals;
